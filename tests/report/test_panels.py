"""Runs side by side: seeds that count together, and curves with their bands and laws."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from fabricated import config, run
from matplotlib.figure import Figure

from nc_testbed.core.errors import BadInput
from nc_testbed.core.intervals import interval
from nc_testbed.report.arm import Arm, read_arms
from nc_testbed.report.figures.panels import draw_curves, draw_panel
from nc_testbed.report.style import caption, look, single


@pytest.fixture
def sweep(tmp_path):
    for policy in ("replace", "accumulate"):
        for seed in (1, 2):
            run(tmp_path / "sweep" / f"policy={policy},seed={seed}", config(policy, seed=seed))
    (tmp_path / "sweep" / "unfinished").mkdir()
    return tmp_path / "sweep"


def test_seeds_of_one_setting_count_together(sweep):
    arms = read_arms([sweep])
    assert [(arm.label, arm.chains) for arm in arms] == [("accumulate", 6), ("replace", 6)]
    seeds = [
        arm.chains for path in sorted(sweep.glob("*replace*")) for arm in read_arms([path])
    ]
    assert seeds == [3, 3]


def test_the_order_of_the_paths_is_kept_and_none_is_counted_twice(sweep):
    first = next(sweep.glob("*replace,seed=1"))
    arms = read_arms([first, sweep])
    assert [(arm.label, arm.chains) for arm in arms] == [("replace", 6), ("accumulate", 6)]


def test_settings_that_differ_tell_runs_apart(tmp_path):
    for k in (1, 10):
        run(tmp_path / str(k), config("anchor", policy={"k": k}))
    run(tmp_path / "gpu", config("anchor", policy={"k": 10}, device="cuda", seed=7, hash="f"))
    assert [arm.label for arm in read_arms([tmp_path])] == ["anchor k=1", "anchor k=10"]


def test_curves_show_mean_and_band_of_every_policy(sweep):
    arms = read_arms([sweep])
    figure = draw_curves(arms, ["tail_coverage", "fidelity"])
    assert [axes.get_title() for axes in figure.axes] == ["tail coverage", "fidelity"]
    for axes in figure.axes:
        assert len(axes.get_lines()) == len(axes.collections) == 2
        assert len({line.get_color() for line in axes.get_lines()}) == 2
    ci = arms[0].means["tail_coverage"]
    np.testing.assert_allclose(figure.axes[0].get_lines()[0].get_ydata(), ci.mean)
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(ci.low.min())
    assert band.max() == pytest.approx(ci.high.max())
    shown = figure.get_supxlabel()
    assert shown == caption(arms)


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
    (axes,) = draw_curves([arm], ["variance"]).axes
    measured, exact = axes.get_lines()
    assert exact.get_ydata().tolist() == law["values"]
    assert (exact.get_label(), exact.get_color()) == ("law, z -1.3", measured.get_color())


def test_seeds_share_a_law_only_where_it_is_the_same_curve(tmp_path):
    """z is of one run's own chains, so that none is left where several are joined."""
    law = {"law": "l", "source": "s", "generations": [0, 1, 2, 3], "verdict": "pass"}
    for seed, last in ((1, 0.4), (2, 0.5)):
        folder = run(tmp_path / str(seed), config("replace", seed=seed))
        summary = json.loads((folder / "summary.json").read_text())
        same = {**law, "values": [1.0, 0.9, 0.8, 0.7], "z": [0.1, 0.2, 0.3, float(seed)]}
        other = {**same, "values": [1.0, 0.8, 0.6, last]}
        summary["laws"] = {"coverage": same, "fidelity": other}
        (folder / "summary.json").write_text(json.dumps(summary))
    (arm,) = read_arms([tmp_path])
    assert list(arm.laws) == ["coverage"]
    assert arm.laws["coverage"]["z"] == [None] * 4
    (alone,) = read_arms([tmp_path / "1"])
    assert alone.laws["fidelity"]["z"][-1] == 1.0


def test_seeds_that_recorded_other_generations_meet_where_both_did(tmp_path):
    for seed, wanted in ((1, [0, 1, 3]), (2, [0, 2, 3])):
        folder = run(tmp_path / str(seed), config("replace", seed=seed))
        table = pq.read_table(folder / "metrics.parquet")
        pq.write_table(
            table.filter(pc.field("generation").isin(wanted)), folder / "metrics.parquet"
        )
    whole = run(tmp_path / "whole" / "2", config("replace", seed=2))
    (arm,) = read_arms([tmp_path / "1", tmp_path / "2"])
    assert arm.generations.tolist() == [0, 3]
    (other,) = read_arms([whole])
    np.testing.assert_array_equal(arm.values["nll"][3:], other.values["nll"][:, [0, 3]])
    late = run(tmp_path / "late", config("replace", seed=3))
    table = pq.read_table(late / "metrics.parquet")
    pq.write_table(table.filter(pc.field("generation") == 1), late / "metrics.parquet")
    with pytest.raises(BadInput, match="no generation in common"):
        read_arms([tmp_path / "2", late])


def test_no_two_arms_look_the_same():
    looks = {tuple(look(i).values()) for i in range(49)}
    assert len(looks) == 49


def test_long_and_many_labels_make_the_panel_higher_not_the_curves_smaller():
    few, many = (single([f"anchor k={i} source=fixed" for i in range(n)])[0] for n in (2, 20))
    assert many.get_figheight() > few.get_figheight() + 1


def test_many_laws_are_named_once(sweep):
    arms = [
        replace(arm, laws={"nll": LAW}, label=f"{arm.label} {i}")
        for i in range(4)
        for arm in read_arms([sweep])
    ]
    axes = Figure().subplots()
    draw_panel(axes, arms, "nll")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["law"]


LAW = {"generations": [0, 3], "values": [110.0, 113.0], "z": [None, None]}
