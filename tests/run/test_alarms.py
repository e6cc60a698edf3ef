"""Alarms from a table of metrics: where they apply, what they say, and a real loop's."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from fabricated import config

from nc_testbed.cli import train as cli
from nc_testbed.record.alarms import alarms
from nc_testbed.record.tables import Trajectories

CHAINS, GENERATIONS, M = 3, 5, 1000
COVERED = [50, 40, 20]  # of classes 0, 1, 2
RANK_TO_CLASS = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
FACTS = {"evaluation_rows": M, "covered_rows": COVERED, "rank_to_class": RANK_TO_CLASS}


def columns(dies: dict[int, int]) -> dict[str, np.ndarray]:
    """Values [R, T] of three classes; the rarest of chain r dies at generation dies[r]."""
    alive = np.ones((CHAINS, GENERATIONS))
    for chain, generation in dies.items():
        alive[chain, generation:] = 0
    made = {f"accepted_rank_{i}": np.full(alive.shape, 300.0) for i in range(2)}
    made |= {f"matched_rank_{i}": np.full(alive.shape, 0.9) for i in range(2)}
    made |= {"accepted_rank_2": 100 * alive, "matched_rank_2": 0.8 * alive}
    return made | {"tail_mass": alive, "tail_coverage": alive}


def runs(values: dict[str, np.ndarray], generations: int = GENERATIONS) -> Trajectories:
    places = [(g, c) for g in range(generations) for c in range(CHAINS)]
    table = {"generation": [g for g, _ in places], "chain": [c for _, c in places]}
    table |= {k: [float(v[c, g]) for g, c in places] for k, v in values.items()}
    return Trajectories.of(pa.table(table))


def settings(**changes):
    return config(generations=GENERATIONS, facts=FACTS, **changes)


def test_each_kind_says_when_every_chain_was_alarmed():
    accepted, manifold = alarms(runs(columns({0: 1, 1: 3})), settings())
    assert accepted == {
        "on": "accepted rows",
        "alpha": 0.05,
        "tail_ranks": [2],
        "generation": [1, 3, None],
        "alarmed": 2,
        "median": 3.0,
    }
    assert manifold["on"] == "matched rows"
    assert manifold["generation"] == [1, 3, None]
    json.dumps([accepted, manifold], allow_nan=False)


def test_half_of_the_chains_without_an_alarm_have_no_median():
    accepted, _ = alarms(runs(columns({0: 2})), settings())
    assert (accepted["alarmed"], accepted["median"]) == (1, None)


def test_covered_rows_are_those_of_the_ranks_class():
    """A fall from 0.8 to 0.25 is an alarm among 50 held-out rows, and none among 20."""
    values = columns({})
    values["matched_rank_2"][:, 1:] = 0.25
    _, manifold = alarms(runs(values), settings())
    few, many = manifold["generation"][0], manifold["generation"][1]  # classes 2 and 0
    assert few is None and many is not None


def test_only_what_was_measured():
    values = columns({0: 1})
    recall = {k: v for k, v in values.items() if "coverage" in k or "matched" in k}
    assert [a["on"] for a in alarms(runs(recall), settings())] == ["matched rows"]
    mass = {k: v for k, v in values.items() if "coverage" not in k and "matched" not in k}
    assert [a["on"] for a in alarms(runs(mass), settings())] == ["accepted rows"]
    before = {k: v for k, v in values.items() if "accepted" not in k}  # stored by an older run
    assert [a["on"] for a in alarms(runs(before), settings())] == ["matched rows"]


def test_none_where_no_class_is_rare_or_not_all_was_recorded():
    values = columns({0: 1})
    equal = {k: v for k, v in values.items() if not k.startswith("tail")}
    assert alarms(runs(equal), settings()) == []
    assert alarms(runs(values, generations=3), settings()) == []
    assert alarms(runs(values, generations=1), config(generations=1, facts=FACTS)) == []
    summaries = Trajectories(np.arange(GENERATIONS), CHAINS, {}, {}, {}, {})
    assert alarms(summaries, settings()) == []
    holes = {k: np.where(np.arange(GENERATIONS) == 2, np.nan, v) for k, v in values.items()}
    assert alarms(runs(holes), settings()) == []


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """Runs a rare-moded mixture's loop and gives its folder."""

    def run(*arguments):
        path = tmp_path_factory.mktemp("mixture") / "run"
        words = [
            "data=mixture2d",
            "data.imbalance_ratio=20",
            "data.rows=400",
            "data.test_rows=400",
        ]
        words += ["model=gmm", "chains=4", "evaluation.rows=2000"]
        words += [
            "metrics=[matched_coverage,tail_mass]",
            "generations=6",
            f"hydra.run.dir={path}",
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["train.py", *words, *arguments])
            cli.main()
        return path

    return run


def test_a_real_loop_that_loses_its_tail_is_alarmed_and_the_control_is_not(mixture):
    """The same fit in every generation against fits to 30 samples, of 0.6 of the rarest mode."""
    control = mixture("policy=real", "model.start=warm")
    summary = json.loads((control / "summary.json").read_text())
    assert [a["alarmed"] for a in summary["alarms"]] == [0, 0]
    assert [a["tail_ranks"] for a in summary["alarms"]] == [[6, 7]] * 2
    dying = mixture("policy=replace", "n=30")
    summary = json.loads((dying / "summary.json").read_text())
    assert [a["alarmed"] for a in summary["alarms"]] == [4, 4]
    facts = yaml.safe_load((dying / "config.yaml").read_text())["facts"]
    assert facts["covered_rows"] == [25] * 8  # half of those held out
    hits = pq.read_table(dying / "metrics.parquet")["matched_rank_7"].to_numpy() * 25
    np.testing.assert_allclose(hits, np.rint(hits), atol=1e-9)
