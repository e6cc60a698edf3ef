"""A metric of the user's own: what it declares goes with its run to everything that shows it."""

import io
import sys

import pytest
import torch
import yaml
from events import events
from fabricated import described
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from nc_testbed.bench.whole_runs import configuration
from nc_testbed.cli.rebuild import rebuild_view
from nc_testbed.metrics.column import Columns
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.report.arm import as_arms
from nc_testbed.report.comparison import comparisons
from nc_testbed.report.load import load_run
from nc_testbed.report.read_run import read_run
from nc_testbed.report.sentences import meanings, outcome
from nc_testbed.run.console import Console
from nc_testbed.run.execute import execute
from nc_testbed.run.packed import Job, execute_all
from nc_testbed.run.prepare import prepare

CPU = torch.device("cpu")
WORDS = "data=mixture2d data.rows=60 data.test_rows=60 model=gmm model.components=2 chains=2"
MODULE = """
from dataclasses import dataclass
from typing import ClassVar
import torch
from nc_testbed.metrics.column import Column

@dataclass(frozen=True)
class Mine:
    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "lost tails"
    columns: ClassVar[dict[str, Column]] = {
        "mine": Column("what is mine", 0, 9, "lower", group="0 mine", headline=0),
        "my_loss": Column("what I lose", group="0 mine", overall=0),
    }

    def measure(self, evaluation):
        g = evaluation.generation
        one = torch.ones(evaluation.chains, dtype=torch.float64)
        made_by_a_fit = evaluation.fit is not None  # 0 on control rows: no floor to refuse it for
        return {"my_loss": one * g, "mine": one * (2 - g) * made_by_a_fit}

@dataclass(frozen=True)
class Silent:
    requires: ClassVar[frozenset[str]] = frozenset()
    collapse: ClassVar[str] = "lost tails"

    def measure(self, evaluation):
        return {"of_nobody": torch.zeros(evaluation.chains, dtype=torch.float64)}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "owner_of_metrics.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    config = configuration(CPU, f"{WORDS} generations=2 metrics=[recall]")
    own = {"mine": "Mine", "silent": "Silent"}
    nodes = {name: {"_target_": f"owner_of_metrics.{cls}"} for name, cls in own.items()}
    metrics = config["metrics"] | nodes
    yield config | {"metrics": metrics, "extensions": ["owner_of_metrics"]}
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    execute(prepare(settings), settings, path)
    return path


def test_the_record_carries_every_column_that_is_declared(run):
    stored = yaml.safe_load((run / "config.yaml").read_text())
    columns = Columns.from_records(stored)
    assert columns["mine"].says == "what is mine" and columns["mine"].headline == 0
    for name in ("tail_recall", "fit_steps"):
        assert columns[name] == described()[name]


def test_runs_side_by_side_carry_it_too(settings, tmp_path):
    jobs = [Job(settings | {"seed": seed}, tmp_path / str(seed)) for seed in (1, 2)]
    execute_all(jobs, prepare)
    for job in jobs:
        assert read_run(job.path).summary["headline"]["metric"] == "mine"


def test_a_run_on_statistics_carries_it_too(tmp_path):
    config = configuration(CPU, "data=gaussian model=gaussian n=9 chains=4 generations=2")
    execute(prepare(config), config, tmp_path / "run")
    columns = Columns.from_records(read_run(tmp_path / "run").config)
    assert columns["variance"] == described()["variance"]


def test_a_run_is_judged_by_it_and_the_report_says_so(run):
    assert read_run(run).summary["headline"]["metric"] == "mine"
    (compared,) = comparisons([read_run(run)])
    assert compared.names[0] == compared.judged_by == "mine"
    assert "my_loss" in compared.overall
    assert dict(meanings(compared))["my_loss"] == "what I lose; less is better"
    (arm,) = as_arms([read_run(run)])
    # Of two chains, even of equal ones, no difference is more than chance.
    said = "mine did not move measurably: from 2 (each of 2) to 1 (each of 2)"
    assert outcome(arm, compared).startswith(said)


def test_the_console_shows_it_first(run):
    columns = Columns.from_records(read_run(run).config)
    record = {name: torch.ones(2) for name in ("recall", "mine", "my_loss")}
    statistics = ChainStatistics(columns)
    with Console(2, statistics=statistics, stream=(stream := io.StringIO())) as console:
        console.generation(0, 1.0, record)
    assert stream.getvalue().split("  ")[2].startswith("mine 1")
    console.finish(read_run(run).summary, run)
    table = stream.getvalue().partition("metric ")[2].splitlines()
    assert table[1].startswith("mine ")


def test_tensorboard_has_its_group_live_and_rebuilt(run):
    for again in (False, True):
        if again:
            rebuild_view(run, run / "tensorboard")
        found = events(run / "tensorboard")
        assert {"0 mine/mine", "0 mine/my_loss", "8 other/of_nobody"} <= set(
            found.Tags()["scalars"]
        )
        layout = Layout()
        tensor = found.Tensors("custom_scalars__config__")[0].tensor_proto
        layout.ParseFromString(tensor.string_val[0])
        charts = {category.title: category for category in layout.category}
        assert {chart.title for chart in charts["0 mine"].chart} == {"mine", "my_loss"}
        assert "0 final/1 mine" in found.Tags()["scalars"]


def test_a_notebook_has_its_meaning(run):
    data = load_run(run)
    assert data["mine"].attrs == {"long_name": "what is mine", "units": "", "worse": "lower"}
    assert data["of_nobody"].attrs["worse"] == "either"
