"""Several runs as one world: their chains side by side, each with the bits it has alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate

import torch
from torch import Tensor

from nc_testbed.core.interfaces import Fit, Generation, Policy
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.data.source import Data, DataLaw
from nc_testbed.loop.archive import Archive
from nc_testbed.loop.closed_loop import World
from nc_testbed.metrics.evaluation import Reference
from nc_testbed.policies.wrapper import Wrapper


@dataclass(frozen=True)
class Pack:
    """The policy of several runs: each composes its own chains' rows from its own archive.

    policies, runs, reserves: of every run the policy, the chains, and how many never-used rows
    each of them has. The training sets must be of one size (:func:`training_sizes`).
    """

    policies: tuple[Policy, ...]
    runs: tuple[slice, ...]
    reserves: tuple[int, ...]

    @property
    def window(self) -> int | None:
        """All runs'."""
        return self.policies[0].window

    @property
    def trains_on_real(self) -> bool:
        """All runs'."""
        return self.policies[0].trains_on_real

    @property
    def needs_classifier(self) -> bool:
        """All runs'."""
        return self.policies[0].needs_classifier

    def compose(self, archive: Archive, streams: RandomStreams, budget: int | None) -> TrainingSet:
        """The training sets of all runs along the chain axis, a view of the whole archive."""
        sets = []
        for policy, run, reserve in zip(self.policies, self.runs, self.reserves, strict=True):
            own = archive.part(run)
            own.reserve = own.reserve[:, :reserve]  # what follows stands in for nothing
            sets.append(policy.compose(own, streams.part(run), budget))
        weights = [s.weights for s in sets if s.weights is not None]
        assert len(weights) in (0, len(sets)), "all runs weigh their rows, or none"
        whole = archive.view(torch.cat([s.rows for s in sets]))
        return replace(whole, weights=torch.cat(weights) if weights else None)


def joined(worlds: Sequence[World]) -> World:
    """The world whose chains are those of all these, in their order.

    They must have the same real rows or draw as many from a law, and differ at most in seed,
    number of chains and numbers of their policy; training sets must be of one size.
    """
    first, ends = worlds[0], [0, *accumulate(world.chains for world in worlds)]
    runs = tuple(map(slice, ends[:-1], ends[1:]))
    numbers = tuple(chain for world in worlds for chain in range(world.chains))
    policies = tuple(world.policy for world in worlds)
    reserves = tuple(world.data.reserve.shape[1] for world in worlds)
    data = _joined_data([world.data for world in worlds], runs)
    rows, referee = first.evaluation_rows, first.reference.referee
    return replace(
        first,
        data=data,
        policy=Pack(policies, runs, reserves),
        reference=Reference.build(data, referee, rows, numbers),
        seed=tuple(world.seed for world in worlds for _ in range(world.chains)),
        chains=ends[-1],
        runs=runs,
        numbers=numbers,
    )


def joined_fits(world: World, fits: Sequence[Fit]) -> Fit:
    """The fit of a joined world whose chains are those of all these."""
    states = [fit.state_dict() for fit in fits]
    whole = {name: torch.cat([state[name] for state in states]) for name in states[0]}
    return world.model.restore(whole, world.data.space)


def divided(generation: Generation, runs: Sequence[slice]) -> list[Generation]:
    """What a generation of a pack has left of every run."""

    g, came = generation, generation.lineage
    return [
        Generation(
            g.number,
            weights={name: value[run] for name, value in g.weights.items()},
            record={name: value[run] for name, value in g.record.items()},
            synthetic=None if g.synthetic is None else g.synthetic[run],
            pictures=None if g.pictures is None else g.pictures[run],
            lineage=came[i : i + 1],
        )
        for i, run in enumerate(runs)
    ]


def training_sizes(
    policy: Policy, data: Data, sizes: Sequence[int], budget: int | None
) -> list[int]:
    """Rows that every generation is trained on, as the policy composes them of one blank chain.

    sizes: rows of generation 0's real set, then of every synthetic set.
    """
    while isinstance(policy, Wrapper):  # it changes rows one by one
        policy = policy.inner
    blank, chain, T = Space((1,), image=True), slice(1), len(sizes) - 1
    real = torch.zeros(1, data.x.shape[1], 1, dtype=blank.dtype)
    own = data.training[chain].cpu(), data.reserve[chain].cpu()
    archive = Archive(blank, real, *own, max(sizes[1:]), policy.window or T)
    trained = [data.training.shape[1]]
    for g in range(1, T):
        archive.add(torch.zeros(1, sizes[g], 1, dtype=blank.dtype))
        trained.append(policy.compose(archive, RandomStreams(0, (0,), g), budget).size)
    return trained


def same_rows(a: Data, b: Data) -> bool:
    """Whether runs whose sources have the same settings can be joined: they hold out the same
    rows, and share all others where no law draws them."""
    shared = a.law is not None or _same(a.x, b.x)
    return shared and _same(a.held_out, b.held_out) and a.provides == b.provides


def _same(a: Tensor, b: Tensor) -> bool:
    return a.data_ptr() == b.data_ptr() or torch.equal(a, b)


def _joined_data(data: Sequence[Data], runs: Sequence[slice]) -> Data:
    """The data of all runs along the chain axis; rows that all of them share stay one."""
    first = data[0]
    shared = all(d.has_shared_rows and d.x.shape == first.x.shape for d in data)
    shared = shared and all(_same(d.x, first.x) for d in data)
    whole = {
        f.name: None if getattr(first, f.name) is None else _side_by_side(data, f.name)
        for f in fields(first)
        if f.name in ("training", "reserve", "shares", "rank", *(() if shared else ("x", "y")))
    }
    return replace(first, law=_joined_law([d.law for d in data], runs), **whole)


def _side_by_side(data: Sequence[Data], name: str) -> Tensor:
    """One tensor of every run along the chain axis; where a run has fewer rows than another, its
    last ones are repeated, which nothing reads."""
    parts = [getattr(d, name) for d in data]
    if name in ("x", "y"):
        parts = [p.expand(len(d.training), *p.shape[1:]) for p, d in zip(parts, data, strict=True)]
    longest = max(p.shape[1] for p in parts)
    filled = []
    for part, d in zip(parts, data, strict=True):
        last = part[:, -1:] if part.shape[1] else d.training[:, -1:]
        missing = longest - part.shape[1]
        filled.append(torch.cat([part, last.expand(-1, missing, *last.shape[2:])], 1))
    return torch.cat(filled)


def _joined_law(laws: Sequence[DataLaw | None], runs: Sequence[slice]) -> DataLaw | None:
    """The law of all runs' chains: the same one, or each run's for its own chains."""
    known = [law for law in laws if law is not None]
    first = known[0] if known else None
    if first is None or first.weights is None or first.weights.dim() == 1:
        return first
    log_probs = [law.log_prob for law in known if law.log_prob is not None]

    def draw(n: int, streams: RandomStreams, purpose: str) -> tuple[Tensor, Tensor | None]:
        drawn = [
            law.draw(n, streams.part(run), purpose) for law, run in zip(known, runs, strict=True)
        ]
        labels = [y for _, y in drawn if y is not None]
        return torch.cat([x for x, _ in drawn]), torch.cat(labels) if labels else None

    def log_prob(x: Tensor) -> Tensor:
        own = [x if x.dim() == 2 else x[run] for run in runs]
        return torch.cat([f(rows) for f, rows in zip(log_probs, own, strict=True)])

    weights = torch.cat([law.weights for law in known if law.weights is not None])
    return replace(first, draw=draw, log_prob=log_prob if log_probs else None, weights=weights)
