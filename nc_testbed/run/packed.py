"""Several runs in one process: those that fit together side by side along the chain axis."""

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
from nc_testbed.core.machine import Compute, each
from nc_testbed.core.storage import HOST
from nc_testbed.loop.closed_loop import World, closed_loop
from nc_testbed.loop.joined_runs import divided, joined, joined_fits, same_rows, training_sizes
from nc_testbed.loop.statistics_loop import Laboratory
from nc_testbed.record import lock
from nc_testbed.record.directory import RunDirectory
from nc_testbed.record.disk_errors import exit_on_io_error
from nc_testbed.run.checks import bytes_of
from nc_testbed.run.console import Console
from nc_testbed.run.execute import Open, execute, farewell, fit_of, generations_of, loop, synthetic
from nc_testbed.run.prepare import Prepared
from nc_testbed.run.signals import Signals

MOST = 64
"""Runs of one pack: each keeps a lock, an event file and a thread that writes it."""

Prepare = Callable[[dict[str, Any]], Prepared | Laboratory]


@dataclass(frozen=True)
class Job:
    """A run that is to be made: its settings and its directory."""

    config: dict[str, Any]
    path: Path


Pair = tuple[Job, Prepared | Laboratory]


def execute_all(jobs: Sequence[Job], prepare: Prepare) -> None:
    """Execute all runs, pack by pack."""
    for pack in all_packs(jobs, prepare):
        execute_pack(pack)


def all_packs(jobs: Sequence[Job], prepare: Prepare) -> Iterator[list[Pair]]:
    """All runs in packs: those that differ in seed and in numbers of their policy alone together,
    where :func:`packs` says that they fit. Raises what prepare does."""
    for group in _grouped(jobs):
        for start in range(0, len(group), MOST):
            some = group[start : start + MOST]
            yield from packs(some, [prepare(job.config) for job in some])


def packs(jobs: Sequence[Job], prepared: Sequence[Prepared | Laboratory]) -> list[list[Pair]]:
    """The runs of a group in packs that memory has room for and that train on equally many rows.

    Runs on sufficient statistics always fit together: each draws and fits by itself, in a hundredth
    of its time; what they share are the cores that write.
    """
    found: list[list[Pair]] = []
    trained: dict[str, list[int]] = {}
    for job, run in zip(jobs, prepared, strict=True):
        pack = next((pack for pack in found if _joins(pack, run, trained)), None)
        if pack is None:
            found.append(pack := [])
        pack.append((job, run))
    return found


def settings_alike(config: Mapping[str, Any]) -> str:
    """What runs of one pack have in common: all settings but the seed and the policy's numbers.

    >>> one, other = ({"seed": s, "policy": {"k": s, "source": "pool"}} for s in (1, 2))
    >>> settings_alike(one) == settings_alike(other)
    True
    """
    kept = {key: value for key, value in config.items() if key != "seed"}
    return json.dumps(kept | {"policy": _numberless(config["policy"])}, sort_keys=True)


def _numberless(value: Any) -> Any:
    """A setting with one word in the place of every number, and of none where there may be one."""
    if isinstance(value, dict):
        return {key: _numberless(inner) for key, inner in value.items()}
    number = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    return "a number" if number else value


def _grouped(jobs: Sequence[Job]) -> list[list[Job]]:
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(settings_alike(job.config), []).append(job)
    return list(groups.values())


def _joins(pack: Sequence[Pair], run: Prepared | Laboratory, trained: dict[str, list[int]]) -> bool:
    """Whether a run fits to those of a pack; trained: rows by policy, as far as they are known."""

    def sizes(run: Prepared) -> list[int]:
        policy, args = repr(run.policy), (run.data, run.sizes, run.settings.budget)
        if policy not in trained:
            trained[policy] = training_sizes(run.policy, *args)
        return trained[policy]

    first = pack[0][1]
    if not (isinstance(first, Prepared) and isinstance(run, Prepared)):
        return type(first) is type(run)
    alike = first.sizes == run.sizes and first.evaluation_rows == run.evaluation_rows
    return (
        alike
        and same_rows(first.data, run.data)
        and (first.policy == run.policy or sizes(first) == sizes(run))
        and (len(pack) + 1) * _bytes(first) <= _room(first)
    )


def _bytes(run: Prepared) -> int:
    """What a run keeps of rows, and draws of them to be measured."""
    window = run.policy.window or run.settings.generations
    rows = window * max(run.sizes[1:]) + run.evaluation_rows
    own = run.data.x.nbytes if not run.data.has_shared_rows or run.data.law is not None else 0
    return own + bytes_of(run.settings.chains * rows, run.data.space)


def _room(run: Prepared) -> int:
    """Bytes for the rows of a pack: no more than what a run may keep in memory, by half."""
    asked = run.settings.compute.memory
    return Compute(memory=None if asked == "auto" else asked).budget(run.device) // 4


def execute_pack(pack: Sequence[Pair]) -> None:
    """Execute the runs of a pack side by side.

    Each ends with the record that :func:`nc_testbed.run.execute.execute` gives it, on a CPU byte
    for byte. Raises BadInput as that does.
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
            Open(prepared, job.config, directory)
            for (job, prepared), directory in zip(pack, directories, strict=True)
        )
        _side_by_side([stack.enter_context(run) for run in opened], signals)


def _side_by_side(runs: Sequence[Open], signals: Signals) -> None:
    """Every generation of all runs; those that lag behind catch up first."""
    last = len(generations_of(runs[0].world))
    levels = sorted({last, *(len(run.there) for run in runs)})
    chains = sum(run.world.chains for run in runs)
    print(f"{len(runs)} runs side by side, {chains} chains: {runs[0].path}, ...")
    with Console(runs[0].world.generations, min(run.next for run in runs)) as console:
        for begin, end in pairwise(levels):
            since = time.monotonic()
            behind = [run for run in runs if len(run.there) == begin]
            for left in _together(behind, end, signals.watched(console.step)):
                with signals.writing:
                    each(_keep, list(zip(behind, left, strict=True)), HOST)
                console.generation(left[0].number, time.monotonic() - since, {})
                signals.check()
                since = time.monotonic()
        for run in runs:
            with signals.writing, exit_on_io_error(run.path):
                summary = run.finish()
            console.finish(summary, run.path)


def _keep(pair: tuple[Open, Generation]) -> None:
    """Commit what a generation has left of a run, and show it."""
    run, own = pair
    with exit_on_io_error(run.path):
        run.commit(own)
    run.show(own)


def _together(runs: Sequence[Open], end: int, progress: Progress) -> Iterator[list[Generation]]:
    """What every generation that is not there yet leaves of every run, until ``end`` are there."""
    worlds = [run.world for run in runs if isinstance(run.world, World)]
    if not worlds:
        abreast = zip(*(loop(run, progress) for run in runs), strict=True)
        yield from map(list, islice(abreast, end - len(runs[0].there)))
        return
    pairs = [(run.directory, world) for run, world in zip(runs, worlds, strict=True)]
    world = joined([replace(world, generations=end) for world in worlds])
    begin = len(runs[0].there)
    skipped = max(0, begin - (world.policy.window or begin))

    def past(g: int) -> torch.Tensor:
        return torch.cat([synthetic(*pair, g) for pair in pairs])

    def fit(g: int) -> Fit:
        return joined_fits(world, [fit_of(*pair, g) for pair in pairs])

    first, previous = (fit(g) if begin else None for g in (0, begin - 1))
    before = map(past, range(skipped, begin))
    for generation in closed_loop(world, before, previous, progress, first, skipped):
        yield divided(generation, world.runs)
