import io
import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from fabricated import CONTROLS, blind, config, described, metrics, run

from nc_testbed.core.intervals import share
from nc_testbed.laws.law import ExactLaw
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.record.summary import summarise
from nc_testbed.run.console import Console, advice


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


RECORD = {"nll": torch.tensor([1.0, 2.0]), "tail_coverage": torch.tensor([0.25, 0.25])}


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def work(stream: io.StringIO) -> str:
    with Console(2, statistics=ChainStatistics(described()), stream=stream) as console:
        for g in range(2):
            for done in range(50):
                console.step(done, 50)
            console.generation(g, 1.25, RECORD)
    return stream.getvalue()


def test_one_plain_line_per_generation_into_a_file(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # set by many CI machines
    assert work(io.StringIO()).splitlines() == [
        "generation 0/1  1.2 s  tail_coverage 0.25 (each of 2)",
        "generation 1/1  1.2 s  tail_coverage 0.25 (each of 2)",
    ]


@pytest.mark.parametrize(("generations", "most"), [(7, 7), (50, 50), (51, 26), (100_000, 51)])
def test_a_log_does_not_grow_with_the_generations(generations, most):
    stream = io.StringIO()
    console = Console(generations, stream=stream)
    for g in range(generations):
        if generations < 1000 or g % 100 == 0 or g == generations - 1:
            console.generation(g, 0.1, RECORD)
    lines = stream.getvalue().splitlines()
    assert len(lines) == most
    assert lines[0].startswith("generation 0/")
    assert lines[-1].startswith(f"generation {generations - 1}/")


def test_a_terminal_that_can_do_nothing_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in work(Screen())


def test_one_progress_line_on_a_terminal():
    shown = work(Screen())
    for word in ("generation 0/1", "generation 1/1", "step 0/50", "tail_coverage 0.25", ":"):
        assert word in shown
    assert shown.count("\n") <= 2  # one line, drawn over again and taken away at the end


def test_the_progress_line_is_taken_away_by_a_failure():
    screen = Screen()
    with pytest.raises(RuntimeError), Console(2, stream=screen):
        raise RuntimeError
    assert screen.getvalue().rfind("\x1b[?25h") > screen.getvalue().rfind("\x1b[?25l")


@pytest.mark.parametrize("kind", [io.StringIO, Screen])
def test_steps_are_cheap_and_seldom_drawn(kind):
    stream = kind()
    with Console(3, stream=stream) as console:
        start = time.perf_counter()
        for done in range(20_000):
            console.step(done, 20_000)
        seconds = time.perf_counter() - start
    assert seconds < 1.0  # 50 microseconds a step; measured 0.3
    assert stream.getvalue().count("step") <= 2 + seconds / 0.1


@pytest.mark.parametrize("kind", [io.StringIO, Screen])
def test_the_final_table(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    stream = kind()
    folder = run(tmp_path / "run", config(chains=9))
    summary = json.loads((folder / "summary.json").read_text())
    with Console(4, stream=stream) as console:
        console.finish(summary, folder)
    text = stream.getvalue()
    lines = [line for line in text.splitlines() if "[" in line.replace("\x1b[", "")]
    assert "tail_coverage" in lines[0]
    assert "fidelity" in lines[2]
    assert "coverage" in lines[3]
    first = summary["metrics"]["tail_coverage"]["first"]
    assert f"{first['low']:.3f}, {first['high']:.3f}" in lines[0]
    (spread,) = (line for line in text.splitlines() if "  lowest to highest" in line)
    for end in ("first", "last"):
        lowest, highest = (summary["headline"][key][end] for key in ("lowest", "highest"))
        assert f"{lowest:.3g} to {highest:.3g}" in spread
    count = summary["headline"]["collapsed"]["count"]
    lost = share(count, 9)
    assert "chains that lost 3/4" in lines[1]
    assert f"{count} of 9 [{lost.low:.2f}, {lost.high:.2f}]" in lines[1]
    assert "generation 0" in text
    assert "generation 3" in text
    assert "coverage_rank_0" not in text
    assert "1 columns of single classes" in text
    assert "means over 9 chains with 95% intervals" in text
    assert f"run: {folder}\n" in text
    assert ("\x1b" in text) == (kind is Screen)


def many_columns() -> dict:
    """A summary of as many columns as a default run on images has, with controls."""
    summary = summarise(metrics(config()), config(), 1.0, "cpu", controls=CONTROLS)
    wide = {"mean": 0.93456, "low": 0.934481, "high": 0.934662, "chains": 3}
    for i in range(30):
        summary["metrics"][f"column_{i}_of_long_name"] = {"first": wide, "last": wide}
    return summary


def test_the_table_has_a_column_of_means_per_control():
    stream = io.StringIO()
    summary = summarise(metrics(config()), config(), 1.0, "cpu", controls=CONTROLS)
    Console(4, stream=stream).finish(summary, Path("there"))
    lines = stream.getvalue().splitlines()
    assert re.split("  +", lines[0]) == [
        "metric", "now", "start", "real rows", "no tail", "no model",
    ]  # fmt: skip
    assert re.split("  +", lines[1])[3:] == ["0.94", "0.02", "0"]
    (precision,) = (line for line in lines if line.startswith("fidelity"))
    assert re.split("  +", precision)[3:] == ["0.95", "0.94"]  # undefined where independent
    (coverage,) = (line for line in lines if line.startswith("coverage"))
    assert coverage.endswith(")")  # no control knows it
    assert "now: generation 3, start: generation 0" in stream.getvalue()


def test_the_end_of_a_run_fits_a_terminal_of_100_by_30(monkeypatch):
    monkeypatch.setenv("LINES", "30")
    screen = Screen()
    Console(4, stream=screen).finish(many_columns(), Path("there"))
    lines = re.sub("\x1b\\[[0-9;?]*[a-z]", "", screen.getvalue()).splitlines()
    assert len(lines) < 30
    table = lines[: next(i for i, line in enumerate(lines) if "more columns" in line)]
    assert all(len(line) <= 100 for line in table)
    rows = [line.split()[0] for line in table if line.strip(" ─")]
    under = ["lowest", "chains"]  # lines of the headline's chains
    assert rows[:6] == ["metric", "tail_coverage", *under, "fidelity", "coverage"]
    hidden = 35 - (len(rows) - 1 - len(under))
    assert f"{hidden} more columns are in summary.json" in lines
    assert any("0.935 [0.934, 0.935]" in line for line in table)
    assert not any("…" in line for line in table)


def test_a_log_gets_every_column():
    stream = io.StringIO()
    Console(4, stream=stream).finish(many_columns(), Path("there"))
    assert sum("_of_long_name" in line for line in stream.getvalue().splitlines()) == 30


def test_what_is_refused_and_how_good_the_referee_is_are_said():
    settings = config(facts={"event": [8, 8], "referee_accuracy": 0.9923})
    summary = summarise(metrics(settings), settings, 1.0, "cpu", controls=blind())
    stream = io.StringIO()
    Console(4, stream=stream).finish(summary, Path("there"))
    said = stream.getvalue()
    assert "\ntail_coverage is no measure here: rows without the tail read 0.59" in said
    assert "\nthe referee is right on 99.2% of held-out rows\n" in said
    assert "lost three quarters" not in said


def test_laws_have_a_column():
    stream, values = io.StringIO(), np.array([0.4, 0.2, 0.1, 0.05])
    laws = {"tail_coverage": ExactLaw("some.law (A1)", "derived", values)}
    summary = summarise(metrics(config()), config(), 1.0, "cpu", laws=laws)
    Console(4, stream=stream).finish(summary, Path("there"))
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("law at generation 3")
    held = summary["laws"]["tail_coverage"]
    assert f"0.05 (z {held['z'][-1]:+.1f}, {held['verdict']})" in lines[1]
    assert len(lines[2]) <= lines[0].index("law at")


def test_columns_line_up_and_long_paths_are_not_wrapped():
    stream, long = io.StringIO(), Path("/tmp") / ("x" * 200)
    console = Console(4, stream=stream)
    console.finish(summarise(metrics(config()), config(), 1.0, "cpu"), long)
    lines = stream.getvalue().splitlines()
    column = lines[0].index("start")
    rows = [line for line in lines[1:8] if len(line) > column]
    assert len(rows) == 6  # not the share of chains lost
    assert all(line[column - 1] == " " != line[column] for line in rows)
    assert f"run: {long}" in lines


@pytest.mark.parametrize("kind", [io.StringIO, Screen])
def test_incomplete_means_and_notes_are_said(kind):
    settings = config(chains=2)
    made = metrics(settings)
    column = made.column_names.index("coverage")
    holes = [None, *made["coverage"].to_pylist()[1:]]
    made = made.set_column(column, "coverage", [holes])
    stream = kind()
    summary = summarise(made, settings, 1.0, "cpu", notes=["2 floors were hit"])
    Console(4, stream=stream).finish(summary, Path("there"))
    assert "coverage is undefined in 1 of 2 chains" in stream.getvalue()
    assert "2 floors were hit" in stream.getvalue()
    assert "(n/a 0." in stream.getvalue()


def test_below_eight_chains_the_table_lists_their_values(tmp_path):
    stream = io.StringIO()
    folder = run(tmp_path / "run", config(chains=3))
    summary = json.loads((folder / "summary.json").read_text())
    Console(4, stream=stream).finish(summary, folder)
    lines = stream.getvalue().splitlines()
    values = summary["metrics"]["tail_coverage"]["first"]["values"]
    assert len(values) == 3
    assert f"({' '.join(f'{value:.3f}' for value in values)})" in lines[1]
    assert "means over 3 chains with every chain's value" in stream.getvalue()


def test_alarms_have_a_line_each():
    summary = summarise(metrics(config()), config(), 1.0, "cpu")
    ring = {"on": "matched rows", "alarmed": 3, "median": 2.5}
    summary["alarms"] = [ring, ring | {"on": "accepted rows", "alarmed": 0, "median": None}]
    stream = io.StringIO()
    Console(4, stream=stream).finish(summary, Path("there"))
    assert (
        "tail alarm in 3 of 3 chains, median generation 2.5 (matched rows)\n"
        in stream.getvalue()
    )
    assert "tail alarm in 0 of 3 chains (accepted rows)\n" in stream.getvalue()


def test_advice_is_a_command_and_a_link_without_smoothing():
    command, link = advice(Path("/tmp/two words"))
    assert command.startswith("tensorboard --logdir '/tmp/two words' ")
    assert "--host 127.0.0.1" in command
    assert "--samples_per_plugin images=100" in command
    assert link.startswith("http://127.0.0.1:6006/")
    assert "smoothing=0" in link
