"""The comparison in plain sentences, each with its interval."""

from __future__ import annotations

import numpy as np

from nc_testbed.core.intervals import LISTED, Interval
from nc_testbed.metrics.column import Column
from nc_testbed.report.arm import Arm, work_per_fit
from nc_testbed.report.comparison import Comparison, at, lost
from nc_testbed.report.differences import change

WORDS = {1: "improved", -1: "got worse", 0: "did not move measurably"}
NEITHER = "moved (neither way is better)"


def plain(name: str) -> str:
    """A metric's name as words."""
    return name.replace("_", " ")


def what_was_run(compared: Comparison) -> list[str]:
    """What was run on what, for how long, in sentences."""
    arms = compared.arms
    models = " and ".join(dict.fromkeys(arm.config["name"]["model"] for arm in arms))
    work = work_per_fit(arms[0].config["model"])
    fitted = f"{models}, {work}" if work else models
    chains = sorted({arm.chains for arm in arms})
    count = " to ".join(str(n) for n in dict.fromkeys((chains[0], chains[-1])))
    device = ", ".join(dict.fromkeys(device for arm in arms for device in arm.devices))
    return [
        f"Data: {compared.data}. Model: {fitted}. Policies: "
        f"{', '.join(arm.label for arm in arms)}.",
        f"Generations {compared.first} to {compared.last}, {count} chains per policy (independent "
        f"repetitions of the whole loop), on {device}. In brackets: 95% intervals over chains; of "
        f"fewer than {LISTED} chains the value of each.",
        *(_as_sentence(caveat) for caveat in compared.caveats),
    ]


def outcome(arm: Arm, compared: Comparison) -> str:
    """What became of the headline under one policy: from where to where, in how many
    chains, and when the alarm rang."""
    name = compared.judged_by
    (first, last) = (compared.first, compared.last)
    if name is None:
        return plain("; ".join(compared.refusals)) or "no headline metric was measured"
    start, end = (at(arm, name, g).text() for g in (first, last))
    if first == last:
        return f"{plain(name)} {end} (generation {last}, the only one all runs recorded)"
    sentence = f"{plain(name)} {_verb(arm, name, compared)} from {start} to {end}"
    if compared.per_chain:
        sentence += "; {} of {} chains lost three quarters".format(*lost(arm, compared))
    return sentence + "".join(f"; {text}" for text in _alarms(arm))


def overall(arm: Arm, compared: Comparison) -> str:
    """Which overall metrics got better, within chains, which got worse, and which moved
    though neither way is better."""
    sentences: dict[str, list[str]] = {word: [] for word in (*WORDS.values(), NEITHER)}
    for name in compared.overall:
        moved = change(arm, name, compared.first, compared.last)
        word = _verdict(moved, compared.columns[name])
        sentences[word].append(f"{plain(name)} by {moved.text()}")
    return "; ".join(
        f"{word}: {', '.join(names)}" for word, names in sentences.items() if names
    )


def meanings(compared: Comparison) -> list[tuple[str, str]]:
    """Each metric shown and what it means, those that are described."""
    columns = compared.columns
    described = [name for name in compared.names if columns[name].says]
    return [(name, f"{columns[name].says}; {columns[name].better}") for name in described]


def _as_sentence(caveat: str) -> str:
    """A caveat as a sentence of its own.

    >>> _as_sentence("tail_coverage is no measure here")
    'Tail coverage is no measure here.'
    """
    return f"{caveat[:1].upper()}{plain(caveat[1:])}."


def _verdict(moved: Interval, column: Column) -> str:
    """Whether a change is for the better, by the direction that the column declares."""
    if column.worse == "either" and _sign(moved):
        return NEITHER
    return WORDS[_sign(moved) * column.sign]


def _verb(arm: Arm, name: str, compared: Comparison) -> str:
    """The verb for a metric's way, by the interval of the change within chains."""
    if not compared.per_chain:
        return "went"
    moved = change(arm, name, compared.first, compared.last)
    return {1: "rose", -1: "fell", 0: "did not move measurably:"}[_sign(moved)]


def _sign(moved: Interval) -> int:
    """1 or -1 where an interval lies above or below 0, else 0."""
    return int(moved.low > 0) - int(moved.high < 0)


def _alarms(arm: Arm) -> list[str]:
    """When half of a run's chains had been alarmed, by kind of hit."""
    sentences = []
    for alarm in arm.alarms:
        rung = np.array([np.inf if g is None else g for g in alarm["generation"]], dtype=float)
        count = int(np.isfinite(rung).sum())
        if not count:
            sentences.append(f"no alarm on {alarm['on']}")
            continue
        median = np.median(rung)
        period = f", median generation {median:g}" if np.isfinite(median) else ""
        text = f"alarm on {alarm['on']} in {count} of {len(rung)} chains"
        sentences.append(f"{text}{period}, first at {int(rung.min())}")
    return sentences
