import json
import platform

import numpy as np
import pyarrow as pa
import pytest
import torch
from fabricated import CONTROLS, blind, config, metrics

import nc_testbed
from nc_testbed.core.intervals import interval, share
from nc_testbed.record.summary import summarise, worst_decile
from nc_testbed.record.tables import Trajectories


def table(values: dict, chains: int, generations: int) -> pa.Table:
    places = [(g, c) for g in range(generations) for c in range(chains)]
    columns = {"generation": [g for g, _ in places], "chain": [c for _, c in places]}
    return pa.table(columns | {k: [v[c][g] for g, c in places] for k, v in values.items()})


def test_trajectories_do_not_depend_on_the_order_of_rows():
    made = metrics(config())
    shuffled = made.take(np.random.default_rng(0).permutation(made.num_rows))
    straight, mixed = Trajectories.of(made), Trajectories.of(shuffled)
    assert straight.generations.tolist() == [0, 1, 2, 3]
    assert straight.chains == 3
    for name, values in straight.values.items():
        np.testing.assert_array_equal(values, mixed.values[name])
    at = made.filter((pa.compute.field("generation") == 2) & (pa.compute.field("chain") == 1))
    assert straight.values["nll"][1, 2] == at["nll"][0].as_py()


def test_a_missing_row_is_undefined_and_a_double_one_an_error():
    made = metrics(config())
    assert np.isnan(Trajectories.of(made.slice(1)).values["nll"][0, 0])
    with pytest.raises(ValueError, match="two rows"):
        Trajectories.of(pa.concat_tables([made, made.slice(0, 1)]))


def test_first_and_last_generation_of_every_metric_headline_first():
    settings = config()
    made = metrics(settings)
    summary = summarise(made, settings, 1.0, "cpu")
    assert list(summary["metrics"])[:3] == ["tail_coverage", "fidelity", "coverage"]
    assert set(summary["metrics"]) == set(made.column_names) - {"generation", "chain"}
    last = Trajectories.of(made).values["nll"][:, -1]
    expected = interval(last)
    assert summary["metrics"]["nll"]["last"] == {
        "mean": pytest.approx(float(expected.mean)),
        "low": pytest.approx(float(expected.low)),
        "high": pytest.approx(float(expected.high)),
        "chains": 3,
        "values": last.tolist(),
    }
    assert summary["policy"] == "replace"
    assert (summary["chains"], summary["generations"]) == (3, 4)


def test_collapsed_chains_are_judged_against_their_own_start():
    tail = [[0.4, 0.09], [0.8, 0.11], [0.1, 0.026], [0.0, 0.0], [0.4, float("nan")]]
    summary = summarise(table({"tail_coverage": tail}, 5, 2), config(), 1.0, "cpu")
    expected, found = share(2, 3), summary["headline"]["collapsed"]
    assert (found["count"], found["chains"]) == (2, 3)
    assert found["low"] == float(expected.low)
    assert found["high"] == float(expected.high)
    assert summary["headline"]["worst_decile"] == {"first": 0.0, "last": 0.0}
    assert summary["headline"]["lowest"] == {"first": 0.0, "last": 0.0}
    assert summary["headline"]["highest"] == {"first": 0.8, "last": 0.11}


def test_undefined_values_are_null_and_counted():
    nan = float("nan")
    values = {"matched_coverage": [[0.5, nan], [0.7, nan]], "kid": [[0.5, 0.1], [nan, 0.1]]}
    summary = summarise(table(values, 2, 2), config(), 1.0, "cpu", notes=["floored"])
    json.dumps(summary, allow_nan=False)
    nothing = {"mean": None, "low": None, "high": None, "chains": 0, "values": [None, None]}
    assert summary["metrics"]["matched_coverage"]["last"] == nothing
    one = {"mean": 0.5, "chains": 1, "values": [0.5, None]}
    assert summary["metrics"]["kid"]["first"] == nothing | one
    assert summary["metrics"]["kid"]["last"] == {
        "mean": 0.1,
        "low": 0.1,
        "high": 0.1,
        "chains": 2,
        "values": [0.1, 0.1],
    }
    assert summary["headline"]["metric"] == "matched_coverage"
    assert summary["notes"] == ["floored"]


def rotating(chains: int) -> dict:
    ranks = [[(c - r) % 4 for c in range(4)] for r in range(chains)]
    return config(chains=chains, facts={"rank_to_class": ranks})


@pytest.mark.parametrize(
    ("chains", "line"),
    [
        (3, "3 chains are 3 of the 4 rotations of which class is rare: multiples of 4 balance"),
        (6, "6 chains are no full rounds of the 4 rotations of which class is rare: multiples"),
        (4, "intervals are too wide: each of the 4 rotations of which class is rare has one"),
        (8, None),
    ],
)
def test_a_number_of_chains_that_does_not_balance_the_rotations_is_noted(chains, line):
    made = table({"tail_coverage": np.full((chains, 2), 0.5).tolist()}, chains, 2)
    notes = summarise(made, rotating(chains), 1.0, "cpu")["notes"]
    assert len(notes) == (line is not None)
    assert all(note.startswith(line) for note in notes)


def test_from_two_rounds_on_the_interval_is_of_the_residual_within_rotations():
    effects = np.tile([0.2, 0.4, 0.6, 0.8], 2)
    chain = 0.01 * np.random.default_rng(0).normal(size=8)
    made = table({"tail_coverage": np.stack([effects + chain] * 2, 1).tolist()}, 8, 2)
    level = summarise(made, rotating(8), 1.0, "cpu")["metrics"]["tail_coverage"]["last"]
    plain = summarise(made, config(chains=8), 1.0, "cpu")["metrics"]["tail_coverage"]["last"]
    assert level["mean"] == plain["mean"]
    assert level["high"] - level["low"] < 0.1 * (plain["high"] - plain["low"])


def test_columns_keep_to_their_range():
    """A share of chains once had [-0.006, 0.089] beside it, or no width."""
    absorbed = [[0.0, float(c == 0)] for c in range(20)]
    recall = [[1.0, 0.02 * (c == 0)] for c in range(20)]
    made = table({"absorbed": absorbed, "recall": recall}, 20, 2)
    measured = summarise(made, config(chains=20), 1.0, "cpu")["metrics"]
    for count, end in ((0, "first"), (1, "last")):
        expected = share(count, 20)
        assert measured["absorbed"][end]["low"] == float(expected.low)
        assert measured["absorbed"][end]["high"] == float(expected.high)
    assert measured["recall"]["first"]["low"] == float(share(20, 20).low)
    assert 0 < measured["recall"]["last"]["low"] < 0.001


def test_without_a_headline_nothing_is_judged():
    summary = summarise(table({"kid": [[0.1, 0.2]]}, 1, 2), config(), 1.0, "cpu")
    assert summary["headline"] is None
    assert summary["alarms"] == summary["verdicts"] == []


def test_controls_are_repeated_and_what_is_undefined_is_null():
    measured = {"real": {"tail_coverage": [0.9, float("nan"), float("inf")]}}
    summary = summarise(metrics(config()), config(), 1.0, "cpu", controls=measured)
    json.dumps(summary, allow_nan=False)
    assert summary["controls"] == {"real": {"tail_coverage": [0.9, None, None]}}
    assert summarise(metrics(config()), config(), 1.0, "cpu")["controls"] == {}


def test_a_headline_that_reads_much_where_nothing_is_is_refused_in_words():
    summary = summarise(metrics(config()), config(), 1.0, "cpu", controls=blind())
    assert summary["headline"] is None
    assert summary["headline_refused"] == (
        "tail_coverage is no measure here: rows without the tail read 0.59 "
        "(at most 0.1 is allowed)"
    )
    sound = summarise(metrics(config()), config(), 1.0, "cpu", controls=CONTROLS)
    assert sound["headline"]["metric"] == "tail_coverage"
    assert sound["headline_refused"] is None
    assert sound["classes_refused"] is None


def test_how_good_the_referee_is_comes_from_the_facts():
    settings = config(facts={"event": [8, 8], "referee_accuracy": 0.991})
    summary = summarise(metrics(settings), settings, 1.0, "cpu")
    assert summary["referee_accuracy"] == 0.991
    assert summarise(metrics(config()), config(), 1.0, "cpu")["referee_accuracy"] is None


def test_versions_are_those_of_this_process():
    versions = summarise(metrics(config()), config(), 1.0, "cpu")["versions"]
    assert versions["torch"] == torch.__version__
    assert versions["numpy"] == np.__version__
    assert versions["nc_testbed"] == nc_testbed.__version__
    assert versions["python"] == platform.python_version()


def test_worst_decile_is_the_mean_of_the_lowest_tenth():
    values = np.random.default_rng(0).permutation(np.arange(20.0))
    assert worst_decile(values) == 0.5
    assert np.isnan(worst_decile(np.array([np.nan])))
