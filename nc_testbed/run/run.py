"""One run: drive the loop, commit every generation, keep the view and the console up to date."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nc_testbed.loop import World, closed_loop
from nc_testbed.run.console import Console
from nc_testbed.run.dashboard import rebuild
from nc_testbed.run.directory import RunDirectory, settings_hash, write
from nc_testbed.run.prepare import Prepared
from nc_testbed.run.summary import summarise
from nc_testbed.types import BadInput, Fit


def check_directory(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse a directory that holds a run with other settings."""
    stored = RunDirectory(path).config()
    if stored is not None and stored["hash"] != settings_hash(config):
        remedy = "holds a run with other settings; name another directory, or give its settings"
        raise BadInput("hydra.run.dir", path, remedy)


def execute(prepared: Prepared, config: Mapping[str, Any], path: Path) -> None:
    """Run all generations that the directory does not hold yet; then write summary.json."""
    began = time.monotonic()
    directory, world = RunDirectory(path), prepared.world(say=print)
    config = _recorded(config, prepared, world)
    directory.start(config)
    past, previous = _past(directory, world)
    there = directory.table(len(past)) if past else None
    dashboard = rebuild(path, config, there, world.data)
    with Console(world.generations, len(past)) as console:
        since = time.monotonic()
        for generation in closed_loop(world, past, previous, console.step):
            g, record = generation.number, generation.record
            directory.commit(generation, config["hash"])
            dashboard.write(g, record, generation.pictures, generation.synthetic)
            console.generation(g, time.monotonic() - since, record)
            since = time.monotonic()
        dashboard.close()
        table = directory.table(world.generations)
        seconds = time.monotonic() - began
        summary = summarise(table, config, seconds, config["record"]["device"])
        write(path / "summary.json", json.dumps(summary, indent=1, allow_nan=False).encode())
        console.finish(summary, path)


def _past(directory: RunDirectory, world: World) -> tuple[list[Tensor], Fit | None]:
    """Synthetic sets of the generations already there, and the fit of the last of them."""
    done = min(directory.completed(), world.generations)
    past = [directory.synthetic(g).to(world.device) for g in range(done)]
    if not done:
        return past, None
    weights = {k: v.to(world.device) for k, v in directory.weights(done - 1).items()}
    return past, world.model.restore(weights, world.data.space)


def _recorded(config: Mapping[str, Any], prepared: Prepared, world: World) -> dict[str, Any]:
    """The configuration with what it led to: hashes of the data and the referee, ranks, sizes."""
    data = prepared.data
    record: dict[str, Any] = {
        "data": data.record,
        "referee": world.reference.referee.sha256,
        "event": list(data.space.event),
        "image": data.space.image,
        "classes": list(data.classes),
        "n": world.n,
        "real_rows": data.training.shape[1],
        "evaluation_rows": world.evaluation_rows,
        "device": _device_name(world.device),
    }
    if data.rank is not None:
        record["rank_to_class"] = data.rank.argsort(1).tolist()
    return {**config, "hash": settings_hash(config), "record": record}


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
