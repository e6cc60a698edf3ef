"""Every chain's status, from the fit to the last line that a run prints."""

import dataclasses
import io

import numpy as np
import pyarrow as pa
import pytest
import torch
from statistic_runs import statistic_run

from nc_testbed.core.interfaces import Generation, Sampling
from nc_testbed.core.status import status
from nc_testbed.data.mixtures import Blobs
from nc_testbed.families.gaussian import Gaussian, GaussianModel
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.loop.row_store import RowStore
from nc_testbed.loop.run import Run
from nc_testbed.metrics.referee import Plain
from nc_testbed.metrics.reference import Reference
from nc_testbed.models.vae import VAE
from nc_testbed.policies.replace import Replace
from nc_testbed.record.summary import summarise
from nc_testbed.record.tables import Trajectories, chain_rows, summary_rows
from nc_testbed.run.console import Console

STATUSES = [[0, 0, 0, 0], [0, 3, 1, 0], [2, 0, 1, 0]]  # of four chains in three generations


def table(rows) -> pa.Table:
    made = []
    for g, codes in enumerate(STATUSES):
        record = {"variance": torch.rand(4).double(), "status": torch.tensor(codes).double()}
        made.append(rows(Generation(g, {}, record)))
    return pa.concat_tables(made)


@pytest.mark.parametrize("rows", [chain_rows, summary_rows], ids=["chains", "summary"])
def test_a_run_says_how_its_chains_ended_and_what_became_of_them(rows, tmp_path):
    summary = summarise(table(rows), {"generations": 3, "facts": {}}, 1.0, "cpu")
    assert summary["status"] == {"ok": 2, "floored": 1, "extinct": 1}
    assert summary["troubles"] == {
        "floored": {"first": 1, "most": 1},
        "extinct": {"first": 2, "most": 1},
        "diverged": {"first": 1, "most": 1},
    }
    Console(3, stream=(said := io.StringIO())).finish(summary, tmp_path)
    line = next(x for x in said.getvalue().splitlines() if x.startswith("status"))
    assert line.startswith("status at generation 2: 2 ok, 1 floored (first at generation 1")
    assert "0 diverged (first at generation 1, at most 1)" in line


@pytest.mark.parametrize("rows", [chain_rows, summary_rows], ids=["chains", "summary"])
def test_a_status_is_no_metric(rows):
    runs = Trajectories.of(table(rows))
    assert list(runs.intervals) == list(runs.sds) == ["variance"]
    assert "status" not in runs.values


def test_a_run_whose_chains_are_all_ok_says_nothing(tmp_path):
    record = {"variance": torch.rand(4).double(), "status": torch.zeros(4).double()}
    summary = summarise(chain_rows(Generation(0, {}, record)), {"generations": 1}, 1.0, "cpu")
    assert (summary["status"], summary["troubles"]) == ({"ok": 4}, {})
    Console(1, stream=(said := io.StringIO())).finish(summary, tmp_path)
    assert "status" not in said.getvalue()


def test_what_counts_as_what():
    state = {"mean": torch.tensor([[1.0], [1.0], [torch.inf], [1.0]])}
    rows = torch.tensor([[1.0, 2.0], [1.0, 1.0], [1.0, 1.0], [1.0, torch.nan]])[..., None]
    assert status(state, {}, (rows,)).tolist() == [0, 2, 3, 3]
    record = {"absorbed": torch.tensor([1.0, 0.0, 1.0, 0.0])}  # parameters know better
    assert status(state, record).tolist() == [2, 0, 3, 0]
    frozen = state | {"diverged": torch.tensor([True, False, False, False])}
    assert status(frozen, {"fit_floored": torch.ones(4)}).tolist() == [3, 1, 3, 1]


@pytest.mark.parametrize("loss", ["nll", "neg_elbo_tail", "neg_iwae", "fit_log_likelihood"])
def test_a_loss_that_is_no_number_is_never_ok(loss):
    """A row without density has a loss of infinity, which is one."""
    record = {loss: torch.tensor([1.0, torch.nan, torch.inf]).double()}
    assert status({"mean": torch.zeros(3)}, record).tolist() == [0, 3, 0]


@pytest.mark.parametrize("start", ["cold", "warm"])
def test_a_diverged_chain_stays_where_it_stopped_only_if_it_starts_warm(start):
    data = Blobs(rows=50).load(3, 0, 0, 3)
    data = dataclasses.replace(data, y=None, held_out_y=None, shares=None, rank=None)
    data.x[1, 7] = torch.nan
    world = Run(
        store=RowStore,
        data=data,
        model=VAE(
            hidden=(16,),
            latent_dim=2,
            likelihood="gaussian",
            steps=8,
            batch_size=16,
            start=start,
        ),
        policy=Replace(),
        metrics={},
        reference=Reference.build(data, Plain(), 20),
        sampling=Sampling(),
        seed=0,
        chains=3,
        generations=3,
        sizes=(50,) * 4,
        budget=None,
        evaluation_rows=20,
    )
    fits = list(closed_loop(world))
    codes = [g.record["status"].tolist() for g in fits]
    again = 3.0 if start == "warm" else 0.0
    assert codes == [[0, 3, 0], [0, again, 0], [0, again, 0]]
    frozen = [torch.equal(g.weights["encoder.0.weight"][1], fits[0].weights["encoder.0.weight"][1])
              for g in fits]  # fmt: skip
    assert frozen == [True, start == "warm", start == "warm"]
    assert all(g.synthetic is not None and g.synthetic.isfinite().all() for g in fits)


def test_statistics_have_a_status_too():
    truth = {"mean": torch.zeros(1, 1).double(), "factor": torch.ones(1, 1, 1).double()}
    lab = statistic_run(
        GaussianModel(dim=1), truth, Replace(), 0, 5, (1, 1, 1, 1), recorded=(0, 2)
    )
    assert lab.model.family() == Gaussian(1)
    for left in closed_loop(lab):  # one row has no variance
        assert np.array_equal(left.record["status"].numpy(), np.full(5, 2.0))
