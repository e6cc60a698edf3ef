"""One run: drive the loop, commit every generation, keep the view and the console up to date."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from nc_testbed.loop import World, closed_loop
from nc_testbed.models.family import FamilyModel
from nc_testbed.run.console import Console
from nc_testbed.run.dashboard import rebuild
from nc_testbed.run.directory import RunDirectory, settings_hash, write
from nc_testbed.run.expected import expected
from nc_testbed.run.laws import Law
from nc_testbed.run.prepare import Prepared
from nc_testbed.run.room import again, told
from nc_testbed.run.signals import Signals
from nc_testbed.run.summary import summarise
from nc_testbed.run.view import View
from nc_testbed.statistics_loop import Laboratory, statistics_loop
from nc_testbed.types import BadInput, Fit, Generation, Progress


def check_directory(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse a directory that holds a run with other settings."""
    stored = RunDirectory(path).config()
    if stored is not None and stored["hash"] != settings_hash(config):
        remedy = "holds a run with other settings; name another directory, or give its settings"
        raise BadInput("hydra.run.dir", path, remedy)


def execute(prepared: Prepared | Laboratory, config: Mapping[str, Any], path: Path) -> None:
    """Run all generations that the directory does not hold yet; then write summary.json."""
    directory = RunDirectory(path)

    def farewell(name: str) -> None:
        with suppress(OSError):  # a copy of what the generations hold
            directory.write_table()
        print(f"nc_testbed: stopped by {name}; {again(path)}", file=sys.stderr, flush=True)

    with told(path), Signals(farewell) as signals:
        _execute(prepared, config, directory, signals)


def _execute(
    prepared: Prepared | Laboratory,
    config: Mapping[str, Any],
    directory: RunDirectory,
    signals: Signals,
) -> None:
    began, path = time.monotonic(), directory.path
    world = prepared if isinstance(prepared, Laboratory) else prepared.world(print, str(path))
    config = _recorded(config, world)
    stored = world.recorded if isinstance(world, Laboratory) else range(world.generations)
    directory.start(config)
    there = stored[: directory.completed(stored)]
    directory.read_tables(there)
    laws = laws_of(prepared)
    data = world.data if isinstance(world, World) else None
    view = View(lambda: rebuild(path, config, directory.table(), data, laws), path)
    with view, Console(world.generations, there[-1] + 1 if there else 0) as console:
        since = time.monotonic()
        for generation in _loop(world, directory, there, signals.watched(console.step)):
            g, record = generation.number, generation.record
            with signals.writing:
                directory.commit(generation, config)
            if record:
                view.generation(generation)
                console.generation(g, time.monotonic() - since, record)
            signals.check()
            since = time.monotonic()
        with signals.writing:
            view.close()
            directory.write_table()
            table = directory.table()
            seconds = time.monotonic() - began
            summary = summarise(table, config, seconds, config["facts"]["device"], laws=laws)
            write(path / "summary.json", json.dumps(summary, indent=1, allow_nan=False).encode())
        console.finish(summary, path)


def _loop(
    world: World | Laboratory, directory: RunDirectory, there: Sequence[int], progress: Progress
) -> Iterator[Generation]:
    """The generations that are not there yet."""
    if isinstance(world, World):
        past = (directory.synthetic(g).to(world.device) for g in there)
        first, last = (_fit(directory, world, there[i]) if there else None for i in (0, -1))
        return closed_loop(world, past, last, progress, first)
    last = None
    if there:
        weights, statistic = directory.weights(there[-1]), directory.statistic(there[-1])
        last = Generation(there[-1], weights, {}, statistic=statistic)
    return statistics_loop(world, last, progress)


def _fit(directory: RunDirectory, world: World, generation: int) -> Fit:
    """The fit of a generation that is there."""
    weights = {k: v.to(world.device) for k, v in directory.weights(generation).items()}
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


def _recorded(config: Mapping[str, Any], world: World | Laboratory) -> dict[str, Any]:
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
        return {**config, "hash": settings_hash(config), "facts": facts | {"truth": truth}}
    data = world.data
    facts |= {
        "draw": "rows",
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


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
