"""How much is taken at once changes memory, never a result."""

import dataclasses
import errno
import os

import pytest
import torch

from nc_testbed.config.settings import Settings
from nc_testbed.core import machine as compute
from nc_testbed.core import storage
from nc_testbed.core.errors import BadInput
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.machine import (
    Compute,
    at_once,
    current,
    memory_limit,
    ran_out,
    within_memory,
)
from nc_testbed.core.space import Space
from nc_testbed.data.mixtures import Blobs
from nc_testbed.loop import row_store
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.loop.row_store import RowStore
from nc_testbed.loop.run import Run
from nc_testbed.metrics.kid import KID
from nc_testbed.metrics.likelihood import Likelihood
from nc_testbed.metrics.recall import Recall
from nc_testbed.metrics.referee import Plain
from nc_testbed.metrics.reference import Reference
from nc_testbed.models.gmm import GMM, Mixture
from nc_testbed.models.kde import KDE
from nc_testbed.models.vae import VAE
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.replace import Replace
from nc_testbed.run import checks

CPU, CHAINS, ROWS = torch.device("cpu"), 5, 200


def world(model=None, policy=None, **changes) -> Run:
    data = Blobs(rows=ROWS).load(CHAINS, 0, 0, 4)
    data = dataclasses.replace(data, y=None, held_out_y=None, shares=None, rank=None)
    base = Run(
        store=RowStore,
        data=data,
        model=model or GMM(2, max_iter=5),
        policy=policy or Replace(),
        metrics={"recall": Recall(), "kid": KID(), "likelihood": Likelihood()},
        reference=Reference.build(data, Plain(), 120),
        sampling=Sampling(),
        seed=0,
        chains=CHAINS,
        generations=4,
        sizes=(ROWS,) * 5,
        budget=None,
        evaluation_rows=120,
    )
    return dataclasses.replace(base, **changes)


def bits(world: Run) -> list[bytes]:
    tensors = [
        [*g.weights.values(), *g.record.values(), g.synthetic, g.pictures]
        for g in closed_loop(world)
    ]
    return [x.contiguous().numpy().tobytes() for generation in tensors for x in generation]


MODELS = [
    GMM(2, max_iter=5),
    KDE(),
    VAE(hidden=(16,), latent_dim=2, likelihood="gaussian", steps=20, batch_size=16),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_memory_and_chains_at_once_change_no_bit(model):
    usual = bits(world(model))
    for small in (Compute(chains=1), Compute(chains=2), Compute(memory=2**18)):
        assert bits(world(model, compute=small)) == usual
    assert current() == Compute()


def test_less_memory_means_fewer_chains_and_smaller_blocks():
    little = world(compute=Compute(memory=2**17))
    assert len(RowStore.parts(little, ROWS)) > len(RowStore.parts(world(), ROWS))
    assert at_once(100, 10**6, CPU) == 10**4
    with memory_limit(little.compute, CPU):
        room = little.compute.room(CPU)
        assert at_once(100, 10**6, CPU) == room // 100 < 10**4
        assert at_once(10**9, 10**6, CPU) == 1
        with memory_limit(Compute(halvings=3), CPU):
            assert at_once(100, 8 * 10**5, CPU) == 10**3
        assert current() is little.compute


class Heavy:
    """Wraps a stage of the loop; it runs out of memory on more than so many chains at once."""

    def __init__(self, most: int, error: Exception):
        self.most, self.error, self.failed = most, error, 0

    def fit(self, plain):
        def fitted(model, training, *rest):
            if len(training.rows) > self.most:
                self.failed += 1
                raise self.error
            return plain(model, training, *rest)

        return fitted


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    MemoryError("numpy has none"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_out_of_memory_halves_the_chains_and_changes_no_bit(error, monkeypatch):
    usual, heavy, said = bits(world()), Heavy(1, error), []
    monkeypatch.setattr(row_store, "CORES", 1)  # all chains in one part
    monkeypatch.setattr(GMM, "fit", heavy.fit(GMM.fit))
    own = Compute(say=said.append)
    assert bits(world(compute=own)) == usual
    assert own.halvings == len(said) == 2  # 5, 2 and 1 at once, and so it stays
    assert heavy.failed >= 2
    assert "half as many chains" in said[0]


@pytest.mark.parametrize("stage", [(Mixture, "sample"), (KID, "measure")], ids=str)
def test_memory_may_run_out_while_rows_are_drawn_or_measured(stage, monkeypatch):
    usual, failures, own = bits(world()), iter(ERRORS[:1]), Compute()
    plain = getattr(*stage)

    def failing(*arguments):
        if (error := next(failures, None)) is not None:
            raise error
        return plain(*arguments)

    monkeypatch.setattr(*stage, failing)
    assert bits(world(compute=own)) == usual
    assert own.halvings == 1


def test_a_chain_that_does_not_fit_by_itself_is_an_error(monkeypatch):
    monkeypatch.setattr(GMM, "fit", Heavy(0, ERRORS[0]).fit(GMM.fit))
    with pytest.raises(MemoryError, match="a single chain at once: CUDA out of memory"):
        bits(world())


def test_other_errors_pass():
    def broken():
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        within_memory(broken, 8)
    assert not ran_out(ValueError("can't"))


@pytest.mark.parametrize("policy", [Accumulate(), Anchor(k=20), Replace()], ids=str)
@pytest.mark.parametrize("model", MODELS[1:], ids=lambda m: type(m).__name__)
def test_rows_on_disk_are_the_same_rows(policy, model, tmp_path):
    small = world(model, policy, compute=Compute(memory=2**13), scratch=str(tmp_path))
    archive = RowStore(small).archive
    assert archive.synthetic.is_shared()  # a mapped file
    assert not RowStore(world(model, policy)).archive.synthetic.is_shared()
    assert bits(small) == bits(world(model, policy))
    assert not list(tmp_path.iterdir())  # it has no name, so nothing is left behind


def test_a_full_disk_is_told_at_once(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        storage.storage((4, 4), torch.uint8, CPU, 0, str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_what_accumulates_is_kept_once():
    """Every generation's set is a view of the archive, and the archive holds all of them."""
    sets = [g.synthetic for g in closed_loop(world(policy=Accumulate()))]
    stores = {x.untyped_storage().data_ptr() for x in sets}
    assert len(stores) == 1
    last = [g.synthetic for g in closed_loop(world(policy=Replace()))]
    assert (
        len({x.untyped_storage().data_ptr() for x in last}) == 4
    )  # these would be overwritten


def test_a_gpu_rounds_its_products_in_fits_alone():
    gpu = torch.device("cuda")

    def switches():
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    before = switches()
    with compute._use_tf32(False, gpu):
        with compute._use_tf32(True, gpu):
            assert switches() == ("high", True)
            torch.compile(torch.relu, backend="eager")(torch.ones(2))  # it asks them too
        assert switches() == ("highest", False)
    assert switches() == before


def test_one_set_and_the_real_rows_must_fit_into_half_of_the_memory(monkeypatch):
    """4 chains of 100 rows of 1 kB, and as many real ones."""
    settings, space = Settings(chains=4, generations=10), Space((1000,), image=True)
    monkeypatch.setattr(checks, "total", lambda device: 1.6e6)
    checks.check_memory(settings, 100, (100,) * 11, space)
    monkeypatch.setattr(checks, "total", lambda device: 1.5e6)
    with pytest.raises(BadInput, match="stored rows take"):
        checks.check_memory(settings, 100, (100,) * 11, space)
