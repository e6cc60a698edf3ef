"""One run as the loop takes it: what is fitted, on
how much, and what is kept to train on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from nc_testbed.core.exactness import one_thread
from nc_testbed.core.interfaces import (
    Fit,
    Model,
    Policy,
    Progress,
    Sampling,
    Training,
    no_progress,
)
from nc_testbed.core.machine import Compute, each, memory_limit, within_memory
from nc_testbed.core.rng import RandomStreams
from nc_testbed.data.source import Data
from nc_testbed.metrics.evaluation import Metric, Reference

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """Everything a loop needs, fixed before it starts.

    store: the kind of store that the past is kept in, rows or their sufficient
    statistics. sizes: rows of generation 0, then of the synthetic set drawn from every
    generation. budget: rows trained on, None = all. recorded: generations that are
    measured, ascending, None = all. evaluation_rows: samples per chain that metrics
    draw of their own. compute: how much of the machine is taken at once; memory depends
    on it, results do not. scratch: a folder for rows that memory does not hold. stream:
    after generation 0 every batch is drawn afresh from the fit before, and the
    synthetic sets are drawn to be looked at, not to be trained on. runs: the chains of
    each run where several lie side by side (see :mod:`nc_testbed.loop.joined_runs`);
    seed and numbers are then those of every chain in its own run. Else all chains are
    those of one.
    """

    store: type[LoopStore]
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

    @property
    def stored_generations(self) -> Sequence[int]:
        """The generations that the loop yields and a record keeps, ascending."""
        return self.store.stored_generations(self.generations, self.recorded)

    def is_recorded(self, generation: int) -> bool:
        """Whether a generation is measured."""
        return self.recorded is None or generation in self.recorded

    def streams(self, generation: int) -> RandomStreams:
        """The streams of all chains at one generation."""
        numbers = self.numbers or tuple(range(self.chains))
        return RandomStreams(self.seed, numbers, generation, self.device)

    @contextmanager
    def limits(self) -> Generator[None]:
        """Keep to the run's share of memory, and to one thread an operation."""
        with one_thread(), memory_limit(self.compute, self.device):
            yield


@dataclass(frozen=True)
class Past:
    """What an earlier loop has left, for one that goes on after it; nothing by default.

    synthetic: the last synthetic sets, as many as the policy looks back on. skipped:
    generations before the first of these. last, first: the fits of the last generation
    and of generation 0. statistic: what the last fit was made from, where no rows are
    drawn.
    """

    synthetic: Iterable[Tensor] = ()
    last: Fit | None = None
    first: Fit | None = None
    skipped: int = 0
    statistic: Mapping[str, Tensor] | None = None


BEGINNING = Past()
"""The past of a loop that begins."""


class LoopStore(ABC):
    """What a loop asks of its store: a training set for every fit, and room for what
    follows."""

    draw: ClassVar[Literal["rows", "statistics"]]
    """What is drawn from a fit."""
    joins: ClassVar[bool]
    """Whether the chains of several runs can lie side by side in one store."""
    shrinks: ClassVar[bool]
    """Whether its parts get smaller where memory has run out; blocks are of one size."""

    @abstractmethod
    def __init__(self, run: Run, past: Past) -> None:
        """The store of a run that goes on after ``past``."""

    @staticmethod
    @abstractmethod
    def stored_generations(generations: int, recorded: Sequence[int] | None) -> Sequence[int]:
        """Which of so many generations the loop yields, ascending."""

    @staticmethod
    @abstractmethod
    def history(run: Run) -> int:
        """Synthetic sets of the past that a loop needs to go on."""

    @staticmethod
    @abstractmethod
    def parts(run: Run, m: int) -> list[slice]:
        """The chains that are taken together with m rows each."""

    @abstractmethod
    def ahead(self) -> Iterable[int]:
        """The generations that the loop has still to yield."""

    @abstractmethod
    def compose(self, streams: RandomStreams, progress: Progress) -> Training:
        """The training set of the generation ``streams.generation``."""

    @abstractmethod
    def sample(self, fit: Fit, streams: RandomStreams) -> Tensor | None:
        """The synthetic set ``[R, n, D]`` of a fit, None where rows are never drawn."""

    @abstractmethod
    def add(self, fit: Fit, synthetic: Tensor | None) -> Tensor | None:
        """Keep a generation for those to come; its synthetic set as it lies in the store."""

    @abstractmethod
    def pictures(self, fit: Fit) -> Tensor | None:
        """Samples for the eye ``[R, m, D]``, None where rows are never drawn."""

    @abstractmethod
    def origin(self, training: Training) -> dict[str, Any]:
        """Where a training set came from, as fields of a :class:`Generation`."""


def over_chains(
    run: Run,
    m: int,
    work: Callable[[slice, Progress], T],
    progress: Progress = no_progress,
) -> list[T]:
    """``work(part, step)`` on all chains in their order, some at a time with m rows each.

    Parts are spread over the cores of a CPU; whenever memory runs out all is done again, on
    half as many chains at once, if the store can do that. ``step`` tells the progress of
    one part, ``progress`` of all.
    """

    def attempt() -> list[T]:
        slices = run.store.parts(run, m)
        done = [0] * len(slices)

        def work_on(i: int) -> T:
            def step(now: int, total: int) -> None:
                done[i] = now
                progress(sum(done), total * len(slices))

            return work(slices[i], step)

        return each(work_on, range(len(slices)), run.device)

    return within_memory(attempt, run.chains) if run.store.shrinks else attempt()
