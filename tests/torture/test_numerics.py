"""NaN, infinity, degenerate rows and no memory: one chain's trouble, and nobody else's."""

import dataclasses
import os
import random

import pytest
import torch
from torch import Tensor

from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.machine import Compute
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.status import WORDS
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.data.source import Data
from nc_testbed.families.gaussian import GaussianModel
from nc_testbed.loop import row_store
from nc_testbed.loop.archive import Archive
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.loop.row_store import RowStore
from nc_testbed.loop.run import Run
from nc_testbed.metrics.frechet import Frechet
from nc_testbed.metrics.kid import KID
from nc_testbed.metrics.likelihood import Likelihood
from nc_testbed.metrics.recall import Recall
from nc_testbed.metrics.referee import Plain
from nc_testbed.metrics.reference import Reference
from nc_testbed.metrics.spread import Spread
from nc_testbed.metrics.vendi import Vendi
from nc_testbed.models import autoencoder, steps
from nc_testbed.models.adam import Adam
from nc_testbed.models.conv_vae import ConvVAE
from nc_testbed.models.gmm import GMM, Mixture
from nc_testbed.models.kde import KDE
from nc_testbed.models.vae import VAE
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.replace import Replace
from nc_testbed.policies.weighted import Weighted

pytestmark = pytest.mark.torture

LONG = os.environ.get("TORTURE") == "long"
R, ROWS, BAD = 3, 40, 1  # chains, rows, and the chain that is in trouble
IMAGE, VECTOR = Space((8, 8), image=True), Space((3,), image=False)
STREAMS = RandomStreams(0, tuple(range(R)))
NETWORKS = [
    VAE(hidden=(16,), latent_dim=2, steps=80, batch_size=16),
    ConvVAE(channels=(2, 2), latent_dim=2, steps=80, batch_size=4),
]
VALUES = [torch.nan, torch.inf, -torch.inf]


# ---------------------------------------------------------------- NaN and infinity in a fit


def training() -> TrainingSet:
    x = IMAGE.stored_form(RandomStreams(7, (0,))("x").uniform(ROWS, IMAGE.size))
    order = torch.arange(ROWS).expand(R, -1)
    return Archive(IMAGE, x, order, order[:, :0], ROWS, 1).view(order)


class Spoilt(torch.autograd.Function):
    """A weight as it is, whose gradient has one bad number in one chain."""

    @staticmethod
    def forward(ctx, weight, value):
        ctx.value = value
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone()
        gradient[BAD].view(-1)[3] = ctx.value
        return gradient, None


def inject(patch, model, place: str, value: float, step: int) -> None:
    """At one step, known by its noise, one chain's loss or gradient (by the weight's name), or a
    row that it is given, is not finite."""
    draws = STREAMS("fit.noise")
    noise = torch.cat(
        list(steps._noise(model.steps, (model.batch_size, model.latent_dim), draws))
    )
    marker, plain = noise[step, BAD, 0], autoencoder.bound_of

    def bound_of(model, space):
        bound = plain(model, space)

        def spoilt(weights, rows, eps):
            if not torch.equal(eps[BAD, 0], marker):
                return bound(weights, rows, eps)
            extra = torch.zeros(R, 1)
            if place == "loss":
                extra[BAD] = value  # the gradient stays finite
            elif place == "data":
                rows = rows.clone()
                rows[BAD, 3] = value
            else:
                weights = weights | {place: Spoilt.apply(weights[place], value)}
            return bound(weights, rows, eps) + extra

        return spoilt

    patch.setattr(autoencoder, "bound_of", bound_of)


def stopped_in_time(model, place: str, value: float, step: int) -> bool:
    """The chain keeps the weights of just before that step, the others all their bits."""
    with pytest.MonkeyPatch.context() as patch:
        if place == "data":  # as numbers, since pixels cannot be NaN
            patch.setattr(TrainingSet, "gather", _as_floats(TrainingSet.gather))
            patch.setattr(Space, "floats", lambda space, rows, dtype=None: rows)
        usual = model.fit(training(), STREAMS)
        before = usual.weights
        if step:
            before = dataclasses.replace(model, steps=step).fit(training(), STREAMS).weights
        else:
            before = model._initial(IMAGE, STREAMS("init"))
        inject(patch, model, place, value, step)
        fit = model.fit(training(), STREAMS)
    wanted = [before if r == BAD else usual.weights for r in range(R)]
    same = all(
        torch.equal(fit.weights[k][r], wanted[r][k][r]) for k in before for r in range(R)
    )
    assert fit.diverged is not None
    return same and fit.diverged.tolist() == [r == BAD for r in range(R)]


def _as_floats(gather):
    return lambda self, index: gather(self, index).float() / 255


def injections(count: int):
    rng = random.Random(1)
    for i in range(count):
        model = NETWORKS[i % 5 == 4]
        names = [
            f"{name}.{part}" for name, *_ in model.layers(IMAGE) for part in ("weight", "bias")
        ]
        place = ("loss", "data", rng.choice(names))[i % 3 if i < 3 else rng.randrange(3)]
        yield model, place, VALUES[i % 3], rng.choice((0, 63, 64, rng.randrange(80)))


def test_a_chain_stops_before_the_update_that_is_not_finite():
    cases = list(injections(30 if LONG else 6))
    good = [stopped_in_time(*case) for case in cases]
    print(
        f"\n{sum(good)}/{len(good)} NaN or infinity injected: stopped in time, others identical"
    )
    assert all(good)


def test_without_the_watch_it_is_not_stopped(monkeypatch):
    monkeypatch.setattr(Adam, "lost", lambda self: False)
    assert not any(stopped_in_time(*case) for case in injections(3))


# ---------------------------------------------------------------- degenerate rows

_Z = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
DEGENERATE = {
    "all equal": torch.full_like(_Z, 0.3),
    "all zero": 0 * _Z,
    "fewer rows than components": _Z[:3],
    "two points": _Z[:2],
    "one point": _Z[:1],
    "scale 1e-30": 1e-30 * _Z,
    "scale 1e30": 1e30 * _Z,
    "scale 1e-310": 1e-310 * _Z,
    "scale 1e200": 1e200 * _Z,
    "duplicates": _Z[:3].repeat(13, 1),
    "rank 1": _Z[:, :1].expand(-1, 3).contiguous(),
    "a constant column": torch.cat([_Z[:, :2], 0 * _Z[:, :1]], 1),
    "far from zero": _Z + 1e15,
    "scales apart": _Z * torch.tensor([1e-30, 1.0, 1e30]),
    "an outlier": torch.cat([_Z[1:], 1e30 * _Z[:1]]),
    "NaN": torch.cat([_Z[1:], torch.nan * _Z[:1]]),
    "infinity": torch.cat([_Z[1:], torch.inf * _Z[:1]]),
}
_SMALL = {
    "likelihood": "gaussian",
    "steps": 5,
    "batch_size": 16,
    "hidden": (16,),
    "latent_dim": 2,
}
MODELS = [
    GMM(4, max_iter=8),
    GMM(4, "diagonal", max_iter=8),
    GMM(4, "spherical", max_iter=8, start="warm"),
    KDE(),
    KDE(bandwidth=None),
    GaussianModel(dim=3),
    VAE(**_SMALL),
    VAE(start="warm", **_SMALL),
]
POLICIES = [Replace(), Accumulate(), Anchor(share=0.5), Weighted(), Weighted(by="ratio")]
METRICS = [Recall(), Likelihood(), Frechet(), KID(), Spread(), Vendi()]


def world(rows: Tensor, held_out: Tensor, model, policy, **changes) -> Run:
    """Chains with rows ``[S, N, 3]`` of their own, or all with the same."""
    n, order = rows.shape[1], torch.arange(rows.shape[1]).expand(R, -1)
    data = Data("degenerate", VECTOR, rows, order, order[:, :0], held_out)
    base = Run(
        store=RowStore,
        data=data,
        model=model,
        policy=policy,
        metrics={type(m).__name__: m for m in METRICS},
        reference=Reference.build(data, Plain(), 30),
        sampling=Sampling(),
        seed=0,
        chains=R,
        generations=3,
        sizes=(n,) * 4,
        budget=None,
        evaluation_rows=30,
    )
    return dataclasses.replace(base, **changes)


def bits(generations, chains) -> list[bytes]:
    return [
        x[r].contiguous().numpy().tobytes()
        for g in generations
        for x in (*g.weights.values(), *g.record.values(), g.synthetic, g.pictures)
        for r in chains
    ]


def survives(rows: Tensor, model, policy) -> set[str]:
    """All chains have these rows, and no law but theirs; then one chain among healthy ones, which
    keep every bit. Warnings are errors. The words of the status that occurred."""
    n = len(rows)
    alone = list(closed_loop(world(rows[None], rows[torch.arange(20) % n], model, policy)))
    others, healthy = [r for r in range(R) if r != BAD], _Z[:n].expand(R, -1, -1)
    mixed = healthy.clone()
    mixed[BAD] = rows
    usual = closed_loop(world(healthy, _Z[:20], model, policy))
    beside = closed_loop(world(mixed, _Z[:20], model, policy))
    assert bits(beside, others) == bits(usual, others)
    return {WORDS[int(code)] for g in alone for code in g.record["status"]}


def degenerate(count: int):
    rng, names = random.Random(2), list(DEGENERATE)
    models, policies = [rng.sample(xs, len(xs)) for xs in (MODELS, POLICIES)]
    for i in range(count):
        yield names[i % len(names)], models[i % len(models)], policies[i % len(policies)]


def test_degenerate_rows_never_raise_and_no_other_chain_feels_them():
    cases, seen = list(degenerate(100 if LONG else len(DEGENERATE))), set()
    for name, model, policy in cases:
        seen |= survives(DEGENERATE[name], model, policy)
    print(f"\n{len(cases)}/{len(cases)} degenerate data sets: nothing raised, others identical")
    assert seen == set(WORDS)


def test_a_factorisation_that_raises_is_noticed(monkeypatch):
    """What a batched cholesky does when the components of one chain have collapsed."""
    plain = torch.linalg.cholesky_ex

    def raising(matrices):
        return plain(matrices, check_errors=True)

    monkeypatch.setattr(torch.linalg, "cholesky_ex", raising)
    with pytest.raises(RuntimeError, match="cholesky"):
        survives(DEGENERATE["duplicates"], GMM(4), Replace())


# ---------------------------------------------------------------- no memory

STAGES = [(GMM, "fit"), (Mixture, "sample"), (Mixture, "log_prob"), (KID, "measure")]
ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    MemoryError("none left"),
]


def starved(stage: tuple[type, str], call: int, error: Exception, seed: int = 0) -> list[bytes]:
    """A run in which memory runs out once, at the given call of a stage."""
    plain, calls, own = getattr(*stage), iter(range(10**6)), Compute()

    def failing(*arguments):
        if next(calls) == call:
            raise error
        return plain(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_store, "CORES", 1)  # all chains in one part
        patch.setattr(*stage, failing)
        made = world(_Z[None], _Z[:20], GMM(2, max_iter=5), Replace(), compute=own, seed=seed)
        out = bits(closed_loop(made), range(R))
    assert own.halvings == 1, f"memory never ran out at call {call} of {stage}"
    return out


def test_memory_that_runs_out_changes_no_bit():
    rng, count = random.Random(3), 20 if LONG else 6
    usual = bits(closed_loop(world(_Z[None], _Z[:20], GMM(2, max_iter=5), Replace())), range(R))
    same = []
    for i in range(count):
        stage = STAGES[i % len(STAGES)]
        same.append(starved(stage, rng.randrange(3), ERRORS[i % 3]) == usual)
    print(f"\n{sum(same)}/{count} runs that were out of memory once: the same bits")
    assert all(same)
    assert starved(STAGES[0], 0, ERRORS[0], seed=1) != usual  # another stream is seen
