"""report.html: what stands on it, in which order, and that nothing gets out or in."""

import json
import re
import runpy
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from fabricated import config, run

from nc_testbed.core.errors import BadInput
from nc_testbed.report.command import report

ROOT = Path(__file__).parents[2]
EVIL = "<img src=x onerror=alert(1)>'\""


@pytest.fixture
def sweep(tmp_path):
    return made(tmp_path / "sweep")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Where the report of a sweep was written."""
    folder = tmp_path_factory.mktemp("report")
    report([made(folder / "sweep")], folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def html(out):
    return (out / "report.html").read_text()


def made(folder):
    """Two finished runs and one that has only begun."""
    for policy in ("replace", "accumulate"):
        run(folder / policy, config(policy))
    begun = run(folder / "begun", config(seed=9))
    (begun / "summary.json").unlink()
    return folder


def page(paths, out, columns=()):
    report(paths, out, columns)
    return (out / "report.html").read_text()


def headings(html):
    return re.findall("<h2>(.*?)</h2>", html)


def test_the_story_is_told_in_order(html, out):
    assert headings(html) == [
        "What was found", "Policy against policy", "Tail against overall", "Samples", "Verdicts",
        "Provenance", "Settings", "Make it again",
    ]  # fmt: skip
    assert "<b>replace</b>: tail coverage fell from" in html
    assert "tail coverage: replace keeps more than accumulate" in html
    assert ">refuted</span>" in html
    assert "3 paired chains" in html
    assert f"{out.parent / 'sweep' / 'begun'}: not finished" in html
    assert len(html) < 5_000_000


def test_figures_lie_beside_the_page_and_inside_it(html, out):
    there = {path.name for path in (out / "figures").iterdir()}
    names = ["curves", "curve_tail_coverage", "curve_fidelity", "trade_fidelity", "strips"]
    assert {f"{name}.{kind}" for name in names for kind in ("png", "svg")} <= there
    assert "samples.gif" in there
    assert {p.name for p in out.iterdir()} == {"report.html", "table.md", "figures"}
    assert html.count("data:image/gif;base64,") == 1
    alts = re.findall("<img alt='(.*?)'", html)
    assert len(alts) == html.count("<img") and all(alts)
    assert "prefers-reduced-motion: reduce" in html


def test_the_page_needs_nothing_from_outside(html):
    assert "<script" not in html
    assert not re.search(r"(src|srcset|href)=['\"](?!data:image/(png|gif);base64,)", html)
    assert not re.search(r"@import|url\(", html)


def test_text_of_a_run_is_text(sweep, tmp_path):
    folder = sweep / "replace"
    settings = config("replace", policy={"k": EVIL})
    settings["name"] = {"data": EVIL, "model": EVIL, "policy": EVIL}
    settings |= {EVIL: EVIL, "hash": EVIL}
    settings["facts"] |= {"device": EVIL, "referee": EVIL, "real_sha256": EVIL}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    summary = json.loads((folder / "summary.json").read_text())
    law = {"law": EVIL, "source": EVIL, "generations": [0], "values": [1.0], "z": [1.0]}
    summary |= {
        "device": EVIL,
        "versions": {EVIL: EVIL},
        "laws": {EVIL: {**law, "verdict": EVIL}},
    }
    summary["alarms"] = [{"on": EVIL, "alpha": 0.05, "generation": [1], "tail_ranks": []}]
    (folder / "summary.json").write_text(json.dumps(summary))
    html = page([folder], tmp_path / "out")
    assert "<img src=x" not in html
    assert html.count("&lt;img src=x onerror=alert(1)&gt;") > 10
    assert not re.search(r"alt='[^']*'[^ >]", html)
    assert {path.parent for path in (tmp_path / "out").rglob("*.png")} == {
        tmp_path / "out" / "figures"
    }


def test_names_of_data_cannot_lead_out_of_the_folder(tmp_path):
    for i, data in enumerate(("../../up", "digits")):
        name = {"data": data, "model": "vae", "policy": "replace"}
        folder = run(tmp_path / "runs" / str(i), config(name=name))
        table = pq.read_table(folder / "metrics.parquet")
        evil = [f"../../{name}" if name == "nll" else name for name in table.column_names]
        pq.write_table(table.rename_columns(evil), folder / "metrics.parquet")
    page([tmp_path / "runs"], tmp_path / "a" / "b" / "out", ["../../nll"])
    figures = {path.parent for path in tmp_path.rglob("*.png")}
    assert figures == {tmp_path / "a" / "b" / "out" / "figures"}


def test_a_single_run_gets_a_page(sweep, tmp_path):
    html = page([sweep / "replace"], tmp_path / "out")
    assert "Differences between policies" not in html
    assert headings(html)[0] == "What was found"
    assert "Comparison" not in html


def test_one_generation_gets_a_page(tmp_path):
    run(tmp_path / "run", config(generations=1))
    html = page([tmp_path / "run"], tmp_path / "out")
    assert "Tail against overall" not in headings(html)
    assert "the only one all runs recorded" in html


def test_one_chain_has_no_intervals_and_infinity_is_no_exception(tmp_path):
    for k in (0, 1, 10):
        run(tmp_path / "runs" / str(k), config("anchor", chains=1, policy={"k": k}))
    folder = run(tmp_path / "runs" / "replace", config("replace", chains=1))
    table = pq.read_table(folder / "metrics.parquet")
    gone = pa.array([float("inf")] * table.num_rows)
    at = table.column_names.index("coverage")
    pq.write_table(table.set_column(at, "coverage", gone), folder / "metrics.parquet")
    html = page([tmp_path / "runs"], tmp_path / "out")
    assert "[n/a]" in html
    assert ">inconclusive</span>" in html
    assert "Dose and response" in headings(html)


def test_a_dose_and_several_data_get_sections_of_their_own(tmp_path):
    for k in (1, 10):
        run(tmp_path / "runs" / f"k{k}", config("anchor", policy={"k": k}))
    name = {"data": "wine", "model": "vae", "policy": "replace"}
    run(tmp_path / "runs" / "wine", config(name=name, facts={"event": [13]}))
    html = page([tmp_path / "runs"], tmp_path / "out")
    assert "Digits: dose and response" in headings(html)
    assert "Wine: dose and response" not in headings(html)
    assert "Wine: samples" not in headings(html)
    assert (tmp_path / "out" / "figures" / "digits_dose_tail_coverage.svg").is_file()


def script(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["report.py", *map(str, arguments)])
    runpy.run_path(str(ROOT / "scripts/report.py"), run_name="__main__")


def test_the_script_prints_the_table_and_where_the_page_is(
    sweep, tmp_path, monkeypatch, capsys
):
    script(monkeypatch, sweep, "columns=nll", f"out={tmp_path / 'out'}")
    said = capsys.readouterr().out
    assert "| replace | 3 |" in said
    assert "nll, generation 3" in said
    assert f"left out: {sweep / 'begun'}" in said
    assert said.endswith(f"report: {tmp_path / 'out' / 'report.html'}\n")


def test_the_page_lies_in_the_directory_that_was_given(sweep, monkeypatch, capsys):
    script(monkeypatch, sweep)
    assert (sweep / "report" / "report.html").is_file()
    script(monkeypatch, sweep)  # a report is no run, and is written anew
    assert "| replace | 3 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["{sweep}/nowhere"], "runs={sweep}/nowhere: no finished run is there"),
        (["{sweep}", "columns=nil"], "columns=nil: choose from "),
        (
            ["{sweep}", "out={sweep}/replace/summary.json"],
            "out={sweep}/replace/summary.json: ",
        ),
        (["{sweep}", "--columns"], "--columns=: write columns=VALUE"),
        ([], "folder=: name the directory"),
    ],
)
def test_bad_input_is_one_line_and_creates_nothing(words, line, sweep, monkeypatch, capsys):
    before = sorted(sweep.rglob("*"))
    with pytest.raises(SystemExit, match="2"):
        script(monkeypatch, *(word.format(sweep=sweep) for word in words))
    said = capsys.readouterr()
    assert said.err.startswith(f"nc_testbed: {line.format(sweep=sweep)}")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert sorted(sweep.rglob("*")) == before


def test_a_place_that_cannot_be_written_is_one_line(sweep, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "figures").write_text("a file where a folder should be")
    with pytest.raises(BadInput, match=r"^out=.*cannot be written"):
        report([sweep], tmp_path / "out")
