"""One run: drive the loop, commit every generation, keep the view and the console up to date."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nc_testbed.data.source import Data
from nc_testbed.loop import World, closed_loop, drawn_again
from nc_testbed.models.family import FamilyModel
from nc_testbed.run import lock
from nc_testbed.run.config import root, settings_hash, stored
from nc_testbed.run.console import Console
from nc_testbed.run.dashboard import rebuild
from nc_testbed.run.directory import RunDirectory
from nc_testbed.run.expected import expected
from nc_testbed.run.laws import Law
from nc_testbed.run.prepare import Prepared
from nc_testbed.run.room import again, told
from nc_testbed.run.signals import Signals
from nc_testbed.run.summary import summarise
from nc_testbed.run.view import View
from nc_testbed.statistics_loop import Laboratory, statistics_loop
from nc_testbed.types import Fit, Generation, Progress, require


def check_directory(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse a directory that holds a run with other settings, or something else."""
    there = RunDirectory(path).made_with()
    remedy = "name another directory"
    known = f"holds a config.yaml that is damaged, or no run's; {remedy}"
    require(there != "", "hydra.run.dir", path, known)
    other = f"holds a run with other settings; {remedy}, or give its settings"
    require(there in (None, settings_hash(config)), "hydra.run.dir", path, other)


def execute(prepared: Prepared | Laboratory, config: Mapping[str, Any], path: Path) -> None:
    """Run all generations that the directory does not hold yet; then write summary.json.

    Raises BadInput where another process is writing there, or where what is there was made with
    other settings or from other data.
    """
    directory = RunDirectory(path)

    def farewell(name: str) -> None:
        with suppress(OSError):  # a copy of what the generations hold
            directory.write_table()
        print(f"nc_testbed: stopped by {name}; {again(path)}", file=sys.stderr, flush=True)

    with told(path), lock.held(path), Signals(farewell) as signals:
        _execute(prepared, config, directory, signals)


def _execute(
    prepared: Prepared | Laboratory,
    config: Mapping[str, Any],
    directory: RunDirectory,
    signals: Signals,
) -> None:
    began, path = time.monotonic(), directory.path
    check_directory(path, config)
    world = prepared if isinstance(prepared, Laboratory) else prepared.world(print, str(path))
    config = recorded(config, world)
    _check_data(path, config)
    wanted = generations_of(world)
    done = directory.completed(wanted, config)
    there = wanted[:done]
    for line in directory.rejected:
        print(f"{line}; it is made again")
    directory.start(config)
    directory.forget(there[:-1])
    directory.read_tables(there)
    laws = laws_of(prepared)
    data = world.data if isinstance(world, World) else None
    view = View(lambda: rebuild(path, config, directory.table(), data, laws), path)
    last = list(there[-1:])
    with view, Console(world.generations, there[-1] + 1 if there else 0) as console:
        since = time.monotonic()
        for generation in _loop(world, directory, there, signals.watched(console.step)):
            g, record = generation.number, generation.record
            with signals.writing:
                directory.commit(generation, config)
                directory.forget(last)
            last = [g]
            if record:
                view.generation(generation)
                console.generation(g, time.monotonic() - since, record)
            signals.check()
            since = time.monotonic()
        with signals.writing:
            view.close()
            table = directory.table()
            seconds = time.monotonic() - began
            summary = summarise(table, config, seconds, config["facts"]["device"], laws=laws)
            directory.finish(config, json.dumps(summary, indent=1, allow_nan=False).encode())
        console.finish(summary, path)


def _loop(
    world: World | Laboratory, directory: RunDirectory, there: Sequence[int], progress: Progress
) -> Iterator[Generation]:
    """The generations that are not there yet."""
    if isinstance(world, World):
        skipped = max(0, len(there) - (world.policy.window or len(there)))
        past = (synthetic(directory, world, g) for g in there[skipped:])
        first, last = (_fit(directory, world, there[i]) if there else None for i in (0, -1))
        return closed_loop(world, past, last, progress, first, skipped)
    last = None
    if there:
        weights, statistic = directory.weights(there[-1]), directory.statistic(there[-1])
        last = Generation(there[-1], weights, {}, statistic=statistic)
    return statistics_loop(world, last, progress)


def generations_of(world: World | Laboratory) -> Sequence[int]:
    """The generations that a run stores, ascending."""
    return world.recorded if isinstance(world, Laboratory) else range(world.generations)


def synthetic(directory: RunDirectory, world: World, generation: int) -> Tensor:
    """The synthetic set of a generation that is there, drawn again where it was not kept.

    Raises BadInput where this machine does not draw the rows that were recorded.
    """
    rows = directory.synthetic(generation)
    if rows is not None:
        return rows.to(world.device)
    rows = drawn_again(world, _fit(directory, world, generation), generation)
    remedy = f"generation {generation} cannot be drawn again as it was: go on where it was made"
    require(directory.is_synthetic(generation, rows), "store", directory.path, remedy)
    return rows


def _fit(directory: RunDirectory, world: World, generation: int) -> Fit:
    """The fit of a generation that is there."""
    # Copies, since products round by where a chain begins in memory and files begin anywhere.
    weights = {k: v.to(world.device).clone() for k, v in directory.weights(generation).items()}
    return world.model.restore(weights, world.data.space)


def laws_of(run: Prepared | Laboratory) -> dict[str, Law]:
    """The exact laws of a run, by metric; none where its data have no known one.

    None either where samples are biased, or drawn afresh at every step: the laws are of n rows.
    """
    if isinstance(run, Laboratory):
        args = (run.policy, run.sizes[:-1], run.budget)
        return expected(run.model, run.truth, *args) if run.temperature == 1 else {}
    if run.settings.stream or run.settings.sampling.temperature != 1:
        return {}
    truths = run.data.truths
    if isinstance(run.model, FamilyModel):
        truths = tuple(pair for pair in truths if pair[0] == run.model.family())
    args = (run.policy, run.sizes[:-1], run.settings.budget)
    return expected(run.model, truths[0][1], *args) if truths and truths[0][1] else {}


def recorded(config: Mapping[str, Any], world: World | Laboratory) -> dict[str, Any]:
    """The configuration with what it led to: sizes, hashes of data and referee, ranks."""
    drawn = world.sizes[1] if len(set(world.sizes[1:])) == 1 else list(world.sizes[1:])
    facts: dict[str, Any] = {
        "n": drawn,
        "real_rows": world.sizes[0],
        "device": _device_name(world.device),
    }
    if isinstance(world, Laboratory):
        facts |= {"draw": "statistics", "event": [world.model.family().size], "image": False}
        truth = {name: value[0].tolist() for name, value in world.truth.items()}
        facts |= {"truth": truth, "real_sha256": sha256(json.dumps(truth).encode()).hexdigest()}
        return {**config, "hash": settings_hash(config), "facts": facts}
    data = world.data
    facts |= {
        "draw": "rows",
        "real_sha256": _real(data),
        "data": data.record,
        "referee": world.reference.referee.sha256,
        "event": list(data.space.event),
        "image": data.space.image,
        "classes": list(data.classes),
        "evaluation_rows": world.evaluation_rows,
    }
    if data.rank is not None and data.held_out_y is not None:
        facts["rank_to_class"] = data.rank.argsort(1).tolist()
        facts["held_out_rows"] = data.held_out_y.bincount(minlength=len(data.classes)).tolist()
    return {**config, "hash": settings_hash(config), "facts": facts}


def _real(data: Data) -> str:
    """sha256 of the real rows, of which are generation 0's and of those held out.

    Rows that an exact law draws for later generations are left out: a longer run draws more.
    """
    rows = data.x if data.law is None else data.x[:, : data.training.shape[1]]
    whole = sha256()
    for tensor in (rows, data.training, data.held_out):
        whole.update(tensor.cpu().contiguous().numpy())
    return whole.hexdigest()


def _check_data(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse to go on from other real data, or with another referee, than a run began with."""
    try:
        there = stored(path)
    except ValueError:  # damaged, and written anew
        return
    remedy = "holds a run on other real data or with another referee; name another directory"
    same = there is None or root(there) == root(config)
    require(same, "hydra.run.dir", path, remedy)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
