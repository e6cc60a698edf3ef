"""Several runs in one process: those that fit
together side by side along the chain axis."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import torch

from nc_testbed.core.interfaces import Fit, Generation, Progress
from nc_testbed.core.machine import each
from nc_testbed.core.storage import HOST
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.loop.joined_runs import (
    divide,
    join_fits,
    join_runs,
    same_rows,
    training_sizes,
)
from nc_testbed.loop.run import Past
from nc_testbed.record import lock
from nc_testbed.record.directory import RunDirectory
from nc_testbed.record.disk_errors import exit_on_io_error
from nc_testbed.run.checks import bytes_of
from nc_testbed.run.console import Console
from nc_testbed.run.execute import OpenRun, execute, farewell, fit_of, synthetic
from nc_testbed.run.prepare import Prepared
from nc_testbed.run.signals import Signals

MOST = 64
"""Runs of one pack: each keeps a lock, an event file and a thread that writes it."""

Prepare = Callable[[dict[str, Any]], Prepared]


@dataclass(frozen=True)
class Job:
    """A run that is to be made: its settings and its directory."""

    config: dict[str, Any]
    path: Path


Pair = tuple[Job, Prepared]


def execute_all(jobs: Sequence[Job], prepare: Prepare) -> None:
    """Execute all runs, pack by pack."""
    for pack in all_packs(jobs, prepare):
        execute_pack(pack)


def all_packs(jobs: Sequence[Job], prepare: Prepare) -> Iterator[list[Pair]]:
    """All runs in packs: those that differ in seed and in numbers of their policy alone
    together, where :func:`packs` says that they fit. Raises what prepare does."""
    for group in _groups(jobs):
        for start in range(0, len(group), MOST):
            batch = group[start : start + MOST]
            yield from packs(batch, [prepare(job.config) for job in batch])


def packs(jobs: Sequence[Job], prepared: Sequence[Prepared]) -> list[list[Pair]]:
    """The runs of a group in packs that memory has room for and that train on equally
    many rows.

    Runs on sufficient statistics always fit together: each draws and fits by itself, in a
    hundredth of its time; what they share are the cores that write.
    """
    result: list[list[Pair]] = []
    training_rows: dict[str, list[int]] = {}
    for job, run in zip(jobs, prepared, strict=True):
        pack = next((pack for pack in result if _joins(pack, run, training_rows)), None)
        if pack is None:
            pack = []
            result.append(pack)
        pack.append((job, run))
    return result


def settings_alike(config: Mapping[str, Any]) -> str:
    """What runs of one pack have in common: all settings but the seed and the policy's
    numbers.

    >>> one, other = ({"seed": s, "policy": {"k": s, "source": "pool"}} for s in (1, 2))
    >>> settings_alike(one) == settings_alike(other)
    True
    """
    common = {key: value for key, value in config.items() if key != "seed"}
    return json.dumps(common | {"policy": _numberless(config["policy"])}, sort_keys=True)


def _numberless(value: Any) -> Any:
    """A setting with one word in the place of every number, and of none where there may
    be one."""
    if isinstance(value, dict):
        return {key: _numberless(inner) for key, inner in value.items()}
    number = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    return "a number" if number else value


def _groups(jobs: Sequence[Job]) -> list[list[Job]]:
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(settings_alike(job.config), []).append(job)
    return list(groups.values())


def _joins(pack: Sequence[Pair], run: Prepared, training_rows: dict[str, list[int]]) -> bool:
    """Whether a run fits to those of a pack;
    training_rows: by policy, as far as computed."""

    def sizes(run: Prepared) -> list[int]:
        policy = repr(run.policy)
        if policy not in training_rows:
            budget = run.settings.budget
            training_rows[policy] = training_sizes(run.policy, run.data, run.sizes, budget)
        return training_rows[policy]

    first = pack[0][1]
    if run.store is not first.store or not run.store.joins:
        return run.store is first.store  # side by side without being joined
    return (
        first.sizes == run.sizes
        and first.evaluation_rows == run.evaluation_rows
        and same_rows(first.data, run.data)
        and (first.policy == run.policy or sizes(first) == sizes(run))
        and (len(pack) + 1) * _bytes(first) <= _room(first)
    )


def _bytes(run: Prepared) -> int:
    """What a run keeps of rows, and draws of them to be measured."""
    window = run.policy.window or run.settings.generations
    rows = window * max(run.sizes[1:]) + run.evaluation_rows
    apart = (
        not run.data.has_shared_rows or run.data.law is not None
    )  # real rows that no other run has
    real = run.data.x.nbytes if apart else 0
    return real + bytes_of(run.settings.chains * rows, run.data.space)


def _room(run: Prepared) -> int:
    """Bytes for the rows of a pack: no more than
    what a run may keep in memory, by half."""
    return run.compute.budget(run.device) // 4


def execute_pack(pack: Sequence[Pair]) -> None:
    """Execute the runs of a pack side by side.

    Each ends with the record that :func:`nc_testbed.run.execute.execute` gives it, on a
    CPU byte for byte. Raises BadInput as that does.
    """
    jobs = [job for job, _ in pack]
    if len(pack) == 1:
        print(f"alone, since no other run fits to it: {jobs[0].path}")
        return execute(pack[0][1], jobs[0].config, jobs[0].path)
    directories = [RunDirectory(job.path) for job in jobs]

    def leave(name: str) -> None:
        for directory in directories:
            farewell(directory, name)

    with ExitStack() as stack:
        stack.enter_context(exit_on_io_error(jobs[0].path))
        for job in jobs:
            stack.enter_context(lock.run_lock(job.path))
        signals = stack.enter_context(Signals(leave))
        opened = (
            OpenRun(prepared, job.config, directory)
            for (job, prepared), directory in zip(pack, directories, strict=True)
        )
        _side_by_side([stack.enter_context(run) for run in opened], signals)


def _side_by_side(runs: Sequence[OpenRun], signals: Signals) -> None:
    """Every generation of all runs; those that lag behind catch up first."""
    last = len(runs[0].run.stored_generations)
    levels = sorted({last, *(len(run.committed) for run in runs)})
    chains = sum(run.run.chains for run in runs)
    print(f"{len(runs)} runs side by side, {chains} chains: {runs[0].path}, ...")
    with Console(runs[0].run.generations, min(run.next for run in runs)) as console:
        for begin, end in pairwise(levels):
            start = time.monotonic()
            behind = [run for run in runs if len(run.committed) == begin]
            for generations in _together(behind, end, signals.watch(console.step)):
                with signals.writing:
                    each(_keep, list(zip(behind, generations, strict=True)), HOST)
                console.generation(generations[0].number, time.monotonic() - start, {})
                signals.check()
                start = time.monotonic()
        for run in runs:
            with signals.writing, exit_on_io_error(run.path):
                summary = run.finish()
            console.finish(summary, run.path)


def _keep(pair: tuple[OpenRun, Generation]) -> None:
    """Commit what a generation has left of a run, and show it."""
    opened, generation = pair
    with exit_on_io_error(opened.path):
        opened.commit(generation)
    opened.show(generation)


def _together(
    runs: Sequence[OpenRun], end: int, progress: Progress
) -> Iterator[list[Generation]]:
    """Every generation that is not there yet, of every run, until ``end`` are there."""
    begin = len(runs[0].committed)
    if not runs[0].run.store.joins:
        abreast = zip(*(run.loop(progress) for run in runs), strict=True)
        yield from map(list, islice(abreast, end - begin))
        return
    run = join_runs([replace(opened.run, generations=end) for opened in runs])
    skipped = max(0, begin - run.store.history(run))

    def fit(g: int) -> Fit:
        return join_fits(run, [fit_of(opened.directory, opened.run, g) for opened in runs])

    def rows(g: int) -> torch.Tensor:
        return torch.cat([synthetic(opened.directory, opened.run, g) for opened in runs])

    first, last = (fit(g) if begin else None for g in (0, begin - 1))
    past = Past(map(rows, range(skipped, begin)), last, first, skipped)
    for generation in closed_loop(run, past, progress):
        yield divide(generation, run.runs)
