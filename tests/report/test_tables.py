"""Both ends of every arm: the wide table and the long one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from fabricated import config, run
from made import arm, comparison
from scipy import stats

from nc_testbed.core.errors import BadInput
from nc_testbed.core.intervals import interval
from nc_testbed.core.paired import paired_interval
from nc_testbed.report.arm import work_per_fit
from nc_testbed.report.comparison import comparisons
from nc_testbed.report.find_runs import gather_runs
from nc_testbed.report.tables import long, markdown


@pytest.fixture
def runs(tmp_path):
    for policy in ("replace", "accumulate"):
        for seed in (1, 2):
            run(tmp_path / f"policy={policy},seed={seed}", config(policy, seed=seed))
    return gather_runs([tmp_path]).runs


def test_the_wide_table_holds_the_intervals_of_both_ends(runs):
    (compared,) = comparisons(runs)
    written, fallen = markdown(compared), compared.arms[1]
    line = next(line for line in written.splitlines() if line.startswith("| replace"))
    tail = fallen.values["tail_coverage"]
    for t in (0, -1):
        assert interval(tail[:, t]).text() in line
    lost = int((tail[:, -1] < tail[:, 0] / 4).sum())
    assert lost > 0
    last = tail[:, -1]
    assert line.endswith(f"| {last.min():.3g} to {last.max():.3g} | {lost} of 6 |")
    widths = {line.count("|") for line in written.splitlines() if line.startswith("|")}
    assert len(widths) == 1
    assert "digits, vae, 100 steps per fit, 6 chains" in written
    assert "cpu (2 threads)" in written


def test_the_work_of_every_model_that_has_a_number_of_it_is_said():
    """A key that is renamed must not silence what a figure says of the work behind it."""
    keys = ("steps", "max_iter")
    for file in (Path(__file__).parents[2] / "conf" / "model").glob("*.yaml"):
        model = yaml.safe_load(file.read_text())
        counts = [str(model[key]) for key in keys if model.get(key)]
        assert all(count in work_per_fit(model) for count in counts), file
        assert bool(counts) == (file.stem in ("vae", "conv_vae", "gmm")), file


def test_columns_can_be_chosen_and_unknown_ones_are_refused(runs):
    assert "nll, generation 3" in markdown(comparisons(runs, ["nll"])[0])
    with pytest.raises(BadInput, match=r"columns=nil: choose from .*nll"):
        comparisons(runs, ["nil"])


def test_the_long_table_adds_change_collapsed_share_and_worst_decile():
    """12 chains, 3 of which lost more than three quarters; the worst decile is of two."""
    first = np.linspace(0.4, 0.51, 12)
    last = first * np.where(np.arange(12) < 3, 0.1, 0.9)
    values = {"tail_coverage": np.stack([first, last], 1), "recall": np.ones((12, 2))}
    header, lines = long(comparison(arm("replace", values)))
    assert header[-4:] == [
        "change within chains",
        "chains that lost 3/4",
        "worst decile",
        "lowest and highest chain",
    ]
    tail, recall = lines
    levels = [interval(x, 0, 2).text() for x in (first, last)]
    assert tail[:4] == ["replace", "tail coverage", *levels]
    assert tail[4] == paired_interval(last, first, 0, 2).text()
    exact = stats.binomtest(3, 12).proportion_ci(method="exact")
    assert tail[5] == f"3 of 12: 0.25 [{exact.low:.2f}, {exact.high:.2f}]"
    assert tail[6] == f"{first[:2].mean():.3g} to {last[:2].mean():.3g}"
    assert tail[7] == f"{last.min():.3g} to {last.max():.3g}"
    assert recall[2:] == ["1.00 [0.74, 1.00]"] * 2 + ["0.00 [-0.24, 0.24]", "", "", ""]


def test_summaries_have_ends_alone():
    values = {"tail_coverage": np.ones((3, 2))}
    header, lines = long(comparison(replace(arm("replace", values), values={})))
    assert header == ["policy", "metric", "generation 0", "generation 1"]
    assert lines == [["replace", "tail coverage", "1 (each of 3)", "1 (each of 3)"]]


def test_runs_on_other_data_are_compared_apart(tmp_path):
    """Labels tell policies on the same data apart, and say nothing of the data."""
    for data, n in (("digits", 20), ("wine", 30)):
        for policy in ("replace", "real"):
            name = {"data": data, "model": "vae", "policy": policy}
            run(tmp_path / f"{data}-{policy}", config(policy, n=n, name=name))
    found = comparisons(gather_runs([tmp_path]).runs)
    assert [(c.data, [a.label for a in c.arms]) for c in found] == [
        ("digits", ["real", "replace"]),
        ("wine", ["real", "replace"]),
    ]
