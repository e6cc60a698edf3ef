"""Rows per chain and rows of summaries are the same figures."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy import stats

from nc_testbed.core.interfaces import Generation
from nc_testbed.core.intervals import interval
from nc_testbed.record.tables import Trajectories, chain_rows, deviation, summary_rows

NAN, INF = float("nan"), float("inf")


def generation(number: int, chains: int = 7) -> Generation:
    rng = np.random.default_rng(number)
    values = {
        "variance": rng.exponential(size=chains),
        "mean": rng.standard_normal(chains),
        "constant": np.full(chains, 2.5),
        "kl": np.where(np.arange(chains) == 1, INF, rng.random(chains)),
        "risk": np.where(np.arange(chains) < chains - number, NAN, 1.0),
    }
    return Generation(number, {}, {name: torch.from_numpy(x) for name, x in values.items()})


def both(numbers, chains=7) -> tuple[Trajectories, Trajectories]:
    left = [generation(g, chains) for g in numbers]
    return tuple(
        Trajectories.of(pa.concat_tables([rows(each) for each in left]))
        for rows in (chain_rows, summary_rows)
    )


@pytest.mark.parametrize("chains", [1, 2, 7, 30, 1200])
def test_both_give_the_same_intervals(chains):
    by_chain, summed = both((0, 3, 4), chains)
    assert by_chain.generations.tolist() == summed.generations.tolist() == [0, 3, 4]
    assert by_chain.chains == summed.chains == chains
    assert list(by_chain.intervals) == list(summed.intervals)
    for name, ci in by_chain.intervals.items():
        other = summed.intervals[name]
        assert ci.chains.tolist() == other.chains.tolist()
        pairs = [(getattr(ci, end), getattr(other, end)) for end in ("mean", "low", "high")]
        for mine, theirs in [*pairs, (by_chain.sds[name], summed.sds[name])]:
            np.testing.assert_allclose(mine, theirs, rtol=1e-12, err_msg=name)
    assert summed.values == {}
    assert by_chain.values["mean"].shape == (chains, 3)


def test_the_intervals_are_those_of_the_chains():
    by_chain, _ = both((2,))
    expected = interval(generation(2).record["variance"].numpy())
    assert by_chain.intervals["variance"][0].text() == expected.text()
    assert by_chain.sds["variance"][0] == pytest.approx(
        generation(2).record["variance"].numpy().std(ddof=1)
    )


def test_a_summary_has_moments_and_quantiles_of_the_finite_chains():
    table = summary_rows(generation(0, chains=500)).to_pylist()
    rows = {row["metric"]: row for row in table}
    x = generation(0, chains=500).record["variance"].numpy()
    found = rows["variance"]
    assert (found["chains"], found["of"], found["generation"]) == (500, 500, 0)
    assert found["skewness"] == pytest.approx(stats.skew(x))
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(x))
    assert (found["q0"], found["q100"]) == (x.min(), x.max())
    for share in (5, 25, 50, 75, 95):
        assert found[f"q{share}"] == pytest.approx(np.quantile(x, share / 100))
    assert (rows["kl"]["chains"], rows["kl"]["of"]) == (499, 500)
    assert np.isfinite(rows["kl"]["mean"]) and np.isfinite(rows["kl"]["q100"])
    assert rows["constant"]["sd"] == 0 and np.isnan(rows["constant"]["skewness"])
    assert rows["risk"]["chains"] == 0 and np.isnan(rows["risk"]["mean"])


@pytest.mark.parametrize("values", [[], [NAN], [1.0], [1.0, NAN]])
def test_below_two_chains_there_is_no_deviation(values):
    assert np.isnan(deviation(np.array(values)))


def test_deviations_keep_trailing_axes():
    x = np.random.default_rng(0).normal(size=(9, 4, 2))
    np.testing.assert_allclose(deviation(x), x.std(0, ddof=1))


def test_a_metric_that_is_not_there_in_every_generation_is_undefined_there():
    left = [generation(0), generation(1)]
    del left[1].record["mean"]
    tables = [summary_rows(each) for each in left]
    summed = Trajectories.of(pa.concat_tables(tables))
    by_chain = Trajectories.of(
        pa.concat_tables([chain_rows(each) for each in left], promote_options="default")
    )
    for runs in (summed, by_chain):
        assert np.isnan(runs.intervals["mean"].mean[1])
        assert runs.intervals["mean"].chains.tolist() == [7, 0]
