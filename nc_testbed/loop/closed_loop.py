"""The closed loop: fit, sample, measure, retrain. No files, no logging, no Hydra."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from nc_testbed.core.exactness import one_thread
from nc_testbed.core.interfaces import (
    Fit,
    Generation,
    Model,
    Policy,
    Progress,
    Sampling,
    no_progress,
)
from nc_testbed.core.machine import (
    CORES,
    Compute,
    each,
    matmul_precision,
    memory_limit,
    within_memory,
)
from nc_testbed.core.rng import RandomStreams, parts
from nc_testbed.core.status import status
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.data.source import Data
from nc_testbed.loop.archive import Archive
from nc_testbed.loop.lineage import lineage
from nc_testbed.loop.stream import Stream
from nc_testbed.metrics.evaluation import Evaluation, Metric, Reference
from nc_testbed.metrics.parameters import Parameters

PICTURES = 64  # samples per chain on one fixed latent draw, for the eye


@dataclass(frozen=True)
class World:
    """Everything a loop needs, fixed before it starts.

    sizes: rows of generation 0, then of the synthetic set drawn from every generation.
    budget: rows trained on, None = all. recorded: generations that are measured, None = all.
    evaluation_rows: samples per chain that metrics draw of their own. compute: how much of the
    machine is taken at once; memory depends on it, results do not. scratch: a folder for rows that
    memory does not hold. stream: after generation 0 every batch is drawn afresh from the fit
    before, and the synthetic sets are drawn to be looked at, not to be trained on.
    runs: the chains of each run where several lie side by side (see
    :mod:`nc_testbed.loop.joined_runs`);
    seed and numbers are then those of every chain in its own run. Else all chains are those of one.
    """

    data: Data
    model: Model
    policy: Policy
    metrics: Mapping[str, Metric]
    reference: Reference
    sampling: Sampling
    seed: int | tuple[int, ...]
    chains: int
    generations: int
    sizes: tuple[int, ...]
    budget: int | None
    evaluation_rows: int
    compute: Compute = field(default_factory=Compute)
    scratch: str | None = None
    recorded: tuple[int, ...] | None = None
    stream: bool = False
    runs: tuple[slice, ...] = (slice(None),)
    numbers: tuple[int, ...] | None = None

    @property
    def device(self) -> torch.device:
        """Where the real rows lie."""
        return self.data.x.device

    def streams(self, generation: int) -> RandomStreams:
        """The streams of all chains at one generation."""
        numbers = self.numbers or tuple(range(self.chains))
        return RandomStreams(self.seed, numbers, generation, self.device)

    def parts(self, m: int) -> list[slice]:
        """The chains that are taken together with m rows each: all on a GPU, a core's share of
        them on a CPU, fewer where memory says so."""
        space, together = self.data.space, self.chains
        if self.device.type == "cpu":
            together = -(-self.chains // CORES) if self.model.stacks(space) else 1
        each_chain = self.model.workspace(space, m)
        return list(parts(self.chains, self.compute.together(together, each_chain, self.device)))

    def archive(self) -> Archive:
        """An archive that holds the real rows and as much of the past as the policy needs."""
        window = self.policy.window or max(1, self.generations)
        data, n = self.data, max(self.sizes[1:])
        stored = (data.space, data.x, data.training, data.reserve)
        room = self.compute.budget(self.device) // 2
        return Archive(*stored, n, window, shares=data.shares, room=room, folder=self.scratch)


def closed_loop(
    world: World,
    past: Iterable[Tensor] = (),
    previous: Fit | None = None,
    progress: Progress = no_progress,
    first: Fit | None = None,
    skipped: int = 0,
) -> Iterator[Generation]:
    """Train every generation on what the policy takes from the generations before it.

    Generation 0 trains on all real rows, whatever the policy. ``past`` holds the synthetic sets
    of generations already run, ``first`` and ``previous`` the first and the last of their fits: the
    loop goes on after them with the same streams, so it ends where an uninterrupted one ends.
    ``skipped`` generations went before those, which the policy does not look back on any more.
    """
    archive = world.archive()
    archive.generations = skipped
    for synthetic in past:
        with one_thread(), memory_limit(world.compute, world.device):  # as it was judged when drawn
            archive.add(synthetic, judge(world, synthetic))
    for generation in range(archive.generations, world.generations):
        with one_thread(), memory_limit(world.compute, world.device):
            streams = world.streams(generation)
            training = compose(world, archive, streams)
            check_origin(world, archive, training, generation)
            previous = fit(world, training, streams, previous, progress)
            first = first or previous
            synthetic = sample(world, previous, world.sizes[generation + 1], streams)
            wanted = world.recorded is None or generation in world.recorded
            record = measure(world, previous, streams, first, training) if wanted else {}
            shown, weights = pictures(world, previous), previous.state_dict()
            if wanted:
                record["status"] = status(weights, record, (synthetic, shown))
            archive.add(synthetic, judge(world, synthetic))
            if archive.window >= world.generations:  # nothing is overwritten: one copy is enough
                synthetic = archive.last()
            came = tuple(lineage(training.part(run)) for run in world.runs)
            left = Generation(generation, weights, record, synthetic, shown, lineage=came)
        yield left


def compose(world: World, archive: Archive, streams: RandomStreams) -> TrainingSet:
    """Generation 0's real rows, or what the policy takes from the archive."""
    if streams.generation == 0:
        return archive.view(archive.training)
    return world.policy.compose(archive, streams, world.budget)


def check_origin(world: World, archive: Archive, training: TrainingSet, generation: int) -> None:
    """Stop unless every real row trained on is the chain's own, and none where none may be.

    Held-out rows are stored apart and have no address; a real address outside the chain's
    training rows and reserve is a fault of a policy, and so is any under replace. Raises
    AssertionError, under ``python -O`` too.
    """
    N = archive.real.shape[1]
    real = training.rows < N
    if generation > 0 and not world.policy.trains_on_real and bool(real.any()):
        raise AssertionError("a real row was trained on under a policy that takes none")
    own = torch.zeros(archive.chains, N, dtype=torch.bool, device=archive.real.device)
    own.scatter_(1, archive.training, True).scatter_(1, archive.reserve, True)
    allowed = own.gather(1, training.rows.clamp(max=N - 1)) | ~real
    if not bool(allowed.all()):
        raise AssertionError("a real row outside the chain's training rows and reserve")


def fit(
    world: World,
    training: TrainingSet,
    streams: RandomStreams,
    previous: Fit | None,
    progress: Progress = no_progress,
) -> Fit:
    """R independent fits, some chains at a time (see :meth:`World.parts`)."""

    def attempt() -> list[dict[str, Tensor]]:
        slices = world.parts(training.size)
        done = [0] * len(slices)

        def one(i: int) -> dict[str, Tensor]:
            def step(now: int, total: int) -> None:
                done[i] = now
                progress(sum(done), total * len(slices))

            with matmul_precision(world.device):
                return _fit_part(world, training, streams, previous, slices[i], step)

        return each(one, range(len(slices)), world.device)

    states = within_memory(attempt, world.chains)
    joined = {name: torch.cat([state[name] for state in states]) for name in states[0]}
    return world.model.restore(joined, training.space)


def _fit_part(
    world: World,
    training: TrainingSet,
    streams: RandomStreams,
    previous: Fit | None,
    part: slice,
    progress: Progress,
) -> dict[str, Tensor]:
    """The fits of some chains, as tensors."""
    rows, own, before = training.part(part), streams.part(part), None
    if previous is not None:
        kept = {k: v[part] for k, v in previous.state_dict().items()}
        before = world.model.restore(kept, training.space)
    if world.stream and before is not None and rows.has_synthetic:
        rows = rows.with_stream(Stream(before, own, world.sampling))
    return world.model.fit(rows, own, before, progress).state_dict()


def sample(world: World, fit: Fit, n: int, streams: RandomStreams) -> Tensor:
    """n stored rows per chain ``[R, n, D]``."""
    state, space = fit.state_dict(), world.data.space

    def one(part: slice) -> Tensor:
        chains = world.model.restore({k: v[part] for k, v in state.items()}, space)
        return chains.sample(n, streams.part(part), world.sampling)

    def attempt() -> Tensor:
        return torch.cat(each(one, world.parts(n), world.device))

    return within_memory(attempt, world.chains)


def drawn_again(world: World, fit: Fit, generation: int) -> Tensor:
    """The synthetic set that this fit of a generation has left before, the same rows."""
    with one_thread(), memory_limit(world.compute, world.device):
        return sample(world, fit, world.sizes[generation + 1], world.streams(generation))


def judge(world: World, synthetic: Tensor) -> tuple[Tensor, Tensor] | None:
    """The referee's labels and confidence ``[R, n]`` of a synthetic set, if the policy asks."""
    if not world.policy.needs_classifier:
        return None
    referee = world.reference.referee
    opinions = [referee.classify(referee.features(rows)) for rows in synthetic]
    labels, confidence = zip(*opinions, strict=True)
    return torch.stack(labels), torch.stack(confidence)


def measure(
    world: World,
    fit: Fit,
    streams: RandomStreams,
    first: Fit | None = None,
    training: TrainingSet | None = None,
) -> dict[str, Tensor]:
    """Every metric of a fit, ``{name: [R]}`` float64, on samples that nothing is trained on."""
    scope = streams.enter_scope("evaluation")
    needs_rows = not all(isinstance(m, Parameters) for m in world.metrics.values())
    rows = sample(world, fit, world.evaluation_rows if needs_rows else 1, scope)
    evaluation = Evaluation(fit, rows, world.reference, scope, first, training)
    record = dict(fit.report())
    for metric in world.metrics.values():
        record |= within_memory(partial(metric.measure, evaluation), world.chains)
    return {name: value.to("cpu", torch.float64) for name, value in record.items()}


def pictures(world: World, fit: Fit) -> Tensor:
    """Samples ``[R, m, D]`` on draws that stay the same over generations."""
    return sample(world, fit, PICTURES, world.streams(0).enter_scope("pictures"))
