import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from fabricated import config, run
from PIL import Image

from nc_testbed.intervals import interval
from nc_testbed.report.compare import Arm, caption, compare, curves, read
from nc_testbed.types import BadInput

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sweep(tmp_path):
    for policy in ("replace", "accumulate"):
        for seed in (1, 2):
            run(tmp_path / "sweep" / f"policy={policy},seed={seed}", config(policy, seed=seed))
    (tmp_path / "sweep" / "unfinished").mkdir()
    return tmp_path / "sweep"


def test_seeds_of_one_setting_count_together(sweep):
    arms = read([sweep])
    assert [(arm.label, arm.chains) for arm in arms] == [("accumulate", 6), ("replace", 6)]
    seeds = [arm.chains for path in sorted(sweep.glob("*replace*")) for arm in read([path])]
    assert seeds == [3, 3]


def test_the_order_of_the_paths_is_kept_and_none_is_counted_twice(sweep):
    first = next(sweep.glob("*replace,seed=1"))
    arms = read([first, sweep])
    assert [(arm.label, arm.chains) for arm in arms] == [("replace", 6), ("accumulate", 6)]


def test_settings_that_differ_tell_runs_apart(tmp_path):
    for k in (1, 10):
        run(tmp_path / str(k), config("anchor", policy={"k": k}))
    run(tmp_path / "gpu", config("anchor", policy={"k": 10}, device="cuda", seed=7, hash="f"))
    assert [arm.label for arm in read([tmp_path])] == ["anchor k=1", "anchor k=10"]


def test_the_table_holds_the_intervals_of_both_ends(sweep, tmp_path):
    written = compare([sweep], tmp_path / "out")
    assert (tmp_path / "out" / "table.md").read_text() == written
    replace = read([sweep])[1]
    line = next(line for line in written.splitlines() if line.startswith("| replace"))
    for t in (0, -1):
        assert interval(replace.values["tail_recall"][:, t]).text() in line
    tail = replace.values["tail_recall"]
    lost = int((tail[:, -1] < tail[:, 0] / 4).sum())
    assert lost > 0
    assert line.endswith(f"| {lost} of 6 |")
    widths = {line.count("|") for line in written.splitlines() if line.startswith("|")}
    assert len(widths) == 1
    assert "digits, vae, 100 steps per fit, 6 chains" in written
    assert "cpu (2 threads)" in written


def test_columns_can_be_chosen_and_unknown_ones_are_refused(sweep, tmp_path):
    assert "nll, generation 3" in compare([sweep], tmp_path / "out", columns=["nll"])
    with pytest.raises(BadInput, match=r"columns=nil: choose from .*nll"):
        compare([sweep], tmp_path / "none", columns=["nil"])
    assert not (tmp_path / "none").exists()


def test_curves_show_mean_and_band_of_every_policy(sweep):
    arms = read([sweep])
    figure = curves(arms, ["tail_recall", "precision"])
    assert [axes.get_title() for axes in figure.axes] == ["tail recall", "precision"]
    for axes in figure.axes:
        assert len(axes.get_lines()) == len(axes.collections) == 2
        assert len({line.get_color() for line in axes.get_lines()}) == 2
    ci = arms[0].means["tail_recall"]
    np.testing.assert_allclose(figure.axes[0].get_lines()[0].get_ydata(), ci.mean)
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(ci.low.min())
    assert band.max() == pytest.approx(ci.high.max())
    shown = figure.get_supxlabel()
    assert shown == caption(arms)


def test_strips_show_a_row_per_policy_and_a_column_per_generation(sweep, tmp_path):
    compare([sweep], tmp_path)
    with Image.open(tmp_path / "strips.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert {0, 10, 20, 30} <= set(np.unique(pixels))  # generation g's samples are 10 g throughout


def test_vectors_have_no_strips(tmp_path):
    run(tmp_path / "run", config(facts={"event": [64]}))
    compare([tmp_path / "run"], tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["curves.png", "table.md"]


def test_the_script_prints_the_table_or_one_line(sweep, tmp_path, monkeypatch, capsys):
    def report(*arguments):
        monkeypatch.setattr(sys, "argv", ["report.py", *map(str, arguments)])
        runpy.run_path(str(ROOT / "scripts/report.py"), run_name="__main__")

    report(sweep, "--columns", "nll", "--out", tmp_path / "out")
    assert "| replace | 6 |" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        report(tmp_path / "nowhere", "--out", tmp_path / "nothing")
    said = capsys.readouterr()
    assert said.err == f"runs={tmp_path / 'nowhere'}: no finished run is there\n"
    assert said.out == ""
    assert not (tmp_path / "nothing").exists()


def test_a_law_is_drawn_in_the_colour_of_its_arm_with_its_z():
    """A dashed line through the law's own values, beside the curve of what was measured."""
    x = np.array([[1.0, 0.5], [0.8, 0.3]])
    law = {"generations": [0, 1], "values": [0.9, 0.45], "z": [None, -1.26]}
    arm = Arm(
        label="replace",
        folders=(),
        config={"name": {"data": "d", "model": "m"}, "model": {}},
        devices=("cpu",),
        generations=np.array([0, 1]),
        chains=2,
        values={"variance": x},
        means={"variance": interval(x)},
        laws={"variance": law},
        alarms=[],
    )
    (axes,) = curves([arm], ["variance"]).axes
    measured, exact = axes.get_lines()
    assert exact.get_ydata().tolist() == law["values"]
    assert (exact.get_label(), exact.get_color()) == ("law, z -1.3", measured.get_color())
