"""report.html: the story of a sweep, from one sentence per policy to the bytes it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nc_testbed.report import sources as provenance
from nc_testbed.report import verdicts
from nc_testbed.report.comparison import Comparison
from nc_testbed.report.differences import differences
from nc_testbed.report.figures.sample_grid import ROWS
from nc_testbed.report.finished import Finished
from nc_testbed.report.gather import Gathered
from nc_testbed.report.markup import Html, address, document, element, image, joined, table, text
from nc_testbed.report.rendering import Picture, Shown
from nc_testbed.report.sentences import meanings, outcome, overall, plain, what_was_run
from nc_testbed.report.tables import long

SMALL = "class='small'"


def page(shown: Sequence[Shown], gathered: Gathered, paths: Sequence[Path]) -> str:
    """The whole page, nothing fetched from anywhere."""
    title = f"Model collapse: {', '.join(one.compared.data for one in shown)}"
    body = [element("h1", title)]
    for one in shown:
        start = f"{one.compared.data}: " if len(shown) > 1 else ""
        body += [
            section(f"{start}what was found", _headline(one.compared)),
            section(f"{start}policy against policy", _policies(one)),
            section(f"{start}dose and response", _doses(one)),
            section(f"{start}tail against overall", _trades(one)),
            section(f"{start}samples", _samples(one)),
            section(f"{start}verdicts", _verdicts(one, gathered.runs)),
        ]
    body.append(section("Provenance", _provenance(shown, gathered)))
    body.append(section("Settings", joined(_settings(one.compared, len(shown)) for one in shown)))
    body.append(section("Make it again", _rerun(gathered, paths)))
    return document(title, joined(body))


def section(title: str, content: Html) -> Html:
    """A part of the page under its title; nothing where there is no content."""
    heading = element("h2", title[:1].upper() + title[1:])
    return element("section", joined([heading, content])) if content else Html("")


def _headline(compared: Comparison) -> Html:
    lines = (
        element("li", joined([element("b", arm.label), ": ", outcome(arm, compared), "."]))
        for arm in compared.arms
    )
    words = (
        element("li", joined([element("b", plain(name)), ": ", sentence, "."]))
        for name, sentence in meanings(compared)
    )
    return joined(
        [
            *(element("p", sentence) for sentence in what_was_run(compared)),
            element("ul", joined(lines), "class='stories'"),
            _folded("What the words mean", element("ul", joined(words), "class='stories'")),
        ]
    )


def _policies(one: Shown) -> Html:
    parts = [_panels(one.named("curve_")), table(*long(one.compared))]
    found = differences(one.compared)
    if found:
        note = (
            "Chains of the same seed and number share their random streams whatever the policy, "
            "so that differences are taken chain by chain."
        )
        parts += [element("h3", "Differences between policies"), element("p", note, SMALL)]
        parts.append(verdicts.differences_table(found))
    elif len(one.compared.arms) > 1:
        note = "Runs kept summaries over chains alone, so chains cannot be compared one by one."
        parts.append(element("p", note, SMALL))
    return joined(parts)


def _doses(one: Shown) -> Html:
    if one.dose is None:
        return Html("")
    said = f"Where runs end against {one.dose.key}, in which they differ"
    levels = "; dotted levels: runs without it" if one.dose.levels else ""
    return joined([element("p", f"{said}{levels}."), _panels(one.named("dose_"))])


def _trades(one: Shown) -> Html:
    pictures, compared = one.named("trade_"), one.compared
    if not pictures:
        return Html("")
    judge = plain(str(compared.judged_by))
    parts = [
        element(
            "p",
            f"To the right an overall figure gets better (its axis says where neither way is), "
            f"downwards {judge} falls: a way that "
            "leads down and to the right is a collapse that the overall figure praises.",
        )
    ]
    if compared.per_chain:
        lines = (
            element("li", joined([element("b", arm.label), ": ", overall(arm, compared), "."]))
            for arm in compared.arms
        )
        parts.append(element("ul", joined(lines), "class='stories'"))
    return joined([*parts, _panels(pictures)])


def _samples(one: Shown) -> Html:
    if "strips" not in one.pictures:
        return Html("")
    strip, moving = one.pictures["strips"], one.pictures["samples"]
    note = "Samples of the first chain of every policy, a row each; columns are generations."
    if len(one.compared.arms) > ROWS:
        note += f" The first {ROWS} of {len(one.compared.arms)} are shown."
    if one.compared.arms[0].config["facts"]["event"] == [2]:
        note += " Grey: the samples of the first generation, which was fitted to real rows."
    files = moving.files
    picture = Html(
        "<picture><source media='(prefers-reduced-motion: reduce), print' "
        f"srcset='{address(files['png'])}'>{image(files['gif'], moving.alt, 'gif')}</picture>"
    )
    wide = element("div", image(strip.files["png"], strip.alt), "class='wide'")
    return joined([element("p", note), wide, element("h3", "In motion"), picture])


def _verdicts(one: Shown, found: Sequence[Finished]) -> Html:
    by_folder = {folder: arm.label for arm in one.compared.arms for folder in arm.folders}
    runs = [run for run in found if run.folder in by_folder]
    labels = [by_folder[run.folder] for run in runs]
    seeds = {run.config["seed"] for run in runs}
    if len(seeds) > 1:
        labels = [f"{x}, seed {run.config['seed']}" for x, run in zip(labels, runs, strict=True)]
    told = verdicts.comparison_verdicts(differences(one.compared), one.compared)
    laws, alarms = verdicts.laws(runs, labels), verdicts.alarms(runs, labels)
    parts = []
    if told:
        note = (
            "Supported or refuted where the interval of the difference leaves out 0, each for "
            "itself. python scripts/claims.py judges published claims, by rules fixed beforehand."
        )
        parts += [element("h3", "Comparison"), element("p", note, SMALL)]
        parts.append(table(("statement", "difference", "verdict"), told))
    if laws:
        header = ("run", "metric", "measured", "law", "z", "verdict", "law's name")
        note = "Pass: within 4 standard errors of the law, and these at most 5% of it."
        parts += [element("h3", "Exact laws"), element("p", note, SMALL), table(header, laws)]
    if alarms:
        header = ("run", "alarm on", "chains", "generation", "false alarms")
        parts += [element("h3", "Alarms"), table(header, alarms)]
    return joined(parts)


def _provenance(shown: Sequence[Shown], gathered: Gathered) -> Html:
    header, lines = provenance.runs(gathered.runs)
    software = f"Software: {provenance.versions(gathered.runs)}."
    note = (
        "Every generation's manifest holds the hashes of its files and of the manifest before it; "
        "the chain head is the last one's. Hashes are the first digits of a sha256."
    )
    parts = [table(header, lines), element("p", software, SMALL), element("p", note, SMALL)]
    if gathered.left_out:
        left = joined(element("li", line) for line in gathered.left_out)
        parts += [element("h3", "Left out"), element("ul", left)]
    return joined(parts)


def _settings(compared: Comparison, of: int) -> Html:
    header, lines = provenance.differing(compared.arms)
    common = table(("setting", "value"), provenance.common(compared.arms))
    parts = [element("h3", compared.data)] if of > 1 else []
    parts.append(table(header, lines))
    return joined([*parts, _folded("What all of them share", common)])


def _rerun(gathered: Gathered, paths: Sequence[Path]) -> Html:
    lines = []
    for folder, line in provenance.commands(gathered.runs):
        none = text(f"no line gives its settings back; {folder / 'config.yaml'} holds them")
        command = none if line is None else element("code", line)
        lines.append(element("li", joined([f"{folder.name}: ", command])))
    again = provenance.again(paths, gathered.runs[0])
    words = ("This report", "The record of a run, checked", "A run, continued")
    parts = [
        element("p", joined([f"{word}: ", element("code", line)]))
        for word, line in zip(words, again, strict=True)
    ]
    note = "Every command here was composed again and gave, to the last value, what its run stored."
    parts += [element("h3", "Each run"), element("p", note, SMALL), element("ul", joined(lines))]
    return joined(parts)


def _panels(pictures: Sequence[Picture]) -> Html:
    """Pictures side by side where there is room, else one below the other."""
    images = joined(image(picture.files["png"], picture.alt) for picture in pictures)
    return element("div", images, "class='panels'")


def _folded(title: str, content: Html) -> Html:
    return element("details", joined([element("summary", title), content]))
