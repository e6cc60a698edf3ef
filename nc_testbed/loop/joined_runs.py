"""Several runs as one: their chains side by side, each with the bits it has alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from nc_testbed.core.interfaces import Fit, Generation, Policy
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.data.source import Data, DataLaw
from nc_testbed.loop.archive import Archive
from nc_testbed.loop.run import Run
from nc_testbed.metrics.evaluation import Reference
from nc_testbed.policies.wrapper import Wrapper


@dataclass(frozen=True)
class Pack(Policy):
    """The policy of several runs: each composes its own chains' rows from its own
    archive.

    policies, runs, reserves: of every run the policy, the chains, and how many
    never-used rows each of them has. The training sets must be of one size
    (:func:`training_sizes`).
    """

    policies: tuple[Policy, ...]
    runs: tuple[slice, ...]
    reserves: tuple[int, ...]

    @property
    def window(self) -> int | None:  # ty: ignore[incompatible-property-override]
        """Synthetic sets that every run looks back on, None = all."""
        return self.policies[0].window

    @property
    def trains_on_real(self) -> bool:  # ty: ignore[incompatible-property-override]
        """Whether the runs train on real rows after generation 0."""
        return self.policies[0].trains_on_real

    @property
    def needs_classifier(self) -> bool:  # ty: ignore[incompatible-property-override]
        """Whether the runs need the referee's opinion of every row."""
        return self.policies[0].needs_classifier

    def compose(self, archive: Any, streams: RandomStreams, budget: int | None) -> TrainingSet:
        """The training sets of all runs along the chain
        axis, a view of the whole archive."""
        sets = []
        for policy, run, reserve in zip(self.policies, self.runs, self.reserves, strict=True):
            part = archive.part(run)
            part.reserve = part.reserve[:, :reserve]  # what follows are repetitions
            sets.append(policy.compose(part, streams.part(run), budget))
        weights = [s.weights for s in sets if s.weights is not None]
        assert len(weights) in (0, len(sets)), "all runs weigh their rows, or none"
        training = archive.view(torch.cat([s.rows for s in sets]))
        return replace(training, weights=torch.cat(weights) if weights else None)


def join_runs(runs: Sequence[Run]) -> Run:
    """The run whose chains are those of all these, in their order.

    They must have the same real rows or draw as many from a law, and differ at most in
    seed, number of chains and numbers of their policy; training sets must be of one
    size.
    """
    first = runs[0]
    bounds = [0, *accumulate(run.chains for run in runs)]
    slices = tuple(map(slice, bounds[:-1], bounds[1:]))
    numbers = tuple(chain for run in runs for chain in range(run.chains))
    policies = tuple(run.policy for run in runs)
    reserves = tuple(run.data.reserve.shape[1] for run in runs)
    data = _join_data([run.data for run in runs], slices)
    reference = Reference.build(data, first.reference.referee, first.evaluation_rows, numbers)
    return replace(
        first,
        data=data,
        policy=Pack(policies, slices, reserves),
        reference=reference,
        seed=tuple(run.seed for run in runs for _ in range(run.chains)),
        chains=bounds[-1],
        runs=slices,
        numbers=numbers,
    )


def join_fits(run: Run, parts: Sequence[Fit]) -> Fit:
    """The fit of a joined run whose chains are those of all these."""
    states = [fit.state_dict() for fit in parts]
    weights = {name: torch.cat([state[name] for state in states]) for name in states[0]}
    return run.model.restore(weights, run.data.space)


def divide(generation: Generation, runs: Sequence[slice]) -> list[Generation]:
    """What a generation of joined runs has left of every run."""
    synthetic = generation.synthetic
    pictures = generation.pictures
    return [
        Generation(
            generation.number,
            weights={name: value[run] for name, value in generation.weights.items()},
            record={name: value[run] for name, value in generation.record.items()},
            synthetic=None if synthetic is None else synthetic[run],
            pictures=None if pictures is None else pictures[run],
            lineage=generation.lineage[i : i + 1],
        )
        for i, run in enumerate(runs)
    ]


def training_sizes(
    policy: Policy, data: Data, sizes: Sequence[int], budget: int | None
) -> list[int]:
    """Rows that every generation is trained on, as the policy composes them of one blank
    chain.

    sizes: rows of generation 0's real set, then of every synthetic set.
    """
    while isinstance(policy, Wrapper):  # it changes rows one by one
        policy = policy.inner
    blank = Space((1,), image=True)
    T = len(sizes) - 1
    real = torch.zeros(1, data.x.shape[1], 1, dtype=blank.dtype)
    training = data.training[:1].cpu()
    reserve = data.reserve[:1].cpu()
    archive = Archive(blank, real, training, reserve, max(sizes[1:]), policy.window or T)
    rows = [data.training.shape[1]]
    for g in range(1, T):
        archive.add(torch.zeros(1, sizes[g], 1, dtype=blank.dtype))
        rows.append(policy.compose(archive, RandomStreams(0, (0,), g), budget).size)
    return rows


def same_rows(a: Data, b: Data) -> bool:
    """Whether runs whose sources have the same settings can be joined: they hold out
    the same rows, and share all others where no law draws them."""
    shared = a.law is not None or _same(a.x, b.x)
    return shared and _same(a.held_out, b.held_out) and a.provides == b.provides


def _same(a: Tensor, b: Tensor) -> bool:
    return a.data_ptr() == b.data_ptr() or torch.equal(a, b)


def _join_data(data: Sequence[Data], runs: Sequence[slice]) -> Data:
    """The data of all runs along the chain axis; rows that all of them share stay one."""
    first = data[0]
    shared = all(d.has_shared_rows and d.x.shape == first.x.shape for d in data)
    shared = shared and all(_same(d.x, first.x) for d in data)
    joined = {
        f.name: None if getattr(first, f.name) is None else _side_by_side(data, f.name)
        for f in fields(first)
        if f.name in ("training", "reserve", "shares", "rank", *(() if shared else ("x", "y")))
    }
    return replace(first, law=_join_laws([d.law for d in data], runs), **joined)


def _side_by_side(data: Sequence[Data], name: str) -> Tensor:
    """One tensor of every run along the chain axis; where a run has fewer rows than
    another, its last ones are repeated, which nothing reads."""
    parts = [getattr(d, name) for d in data]
    if name in ("x", "y"):
        parts = [
            p.expand(len(d.training), *p.shape[1:]) for p, d in zip(parts, data, strict=True)
        ]
    longest = max(p.shape[1] for p in parts)
    filled = []
    for part, d in zip(parts, data, strict=True):
        last = part[:, -1:] if part.shape[1] else d.training[:, -1:]
        missing = longest - part.shape[1]
        filled.append(torch.cat([part, last.expand(-1, missing, *last.shape[2:])], 1))
    return torch.cat(filled)


def _join_laws(laws: Sequence[DataLaw | None], runs: Sequence[slice]) -> DataLaw | None:
    """The law of all runs' chains: the same one, or each run's for its own chains."""
    exact = [law for law in laws if law is not None]
    first = exact[0] if exact else None
    if first is None or first.weights is None or first.weights.dim() == 1:
        return first
    log_probs = [law.log_prob for law in exact if law.log_prob is not None]

    def draw(n: int, streams: RandomStreams, purpose: str) -> tuple[Tensor, Tensor | None]:
        pairs = [
            law.draw(n, streams.part(run), purpose)
            for law, run in zip(exact, runs, strict=True)
        ]
        labels = [y for _, y in pairs if y is not None]
        return torch.cat([x for x, _ in pairs]), torch.cat(labels) if labels else None

    def log_prob(x: Tensor) -> Tensor:
        parts = [x if x.dim() == 2 else x[run] for run in runs]
        return torch.cat([f(rows) for f, rows in zip(log_probs, parts, strict=True)])

    weights = torch.cat([law.weights for law in exact if law.weights is not None])
    return replace(first, draw=draw, log_prob=log_prob if log_probs else None, weights=weights)
