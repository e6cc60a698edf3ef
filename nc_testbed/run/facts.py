"""What a run's settings led to, as its record keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import torch

from nc_testbed.config.config_file import settings_hash
from nc_testbed.data.source import Data
from nc_testbed.loop.closed_loop import World
from nc_testbed.loop.statistics_loop import Laboratory
from nc_testbed.metrics.column import Columns
from nc_testbed.metrics.parameters import Parameters


def recorded(config: Mapping[str, Any], world: World | Laboratory) -> dict[str, Any]:
    """The configuration with what it led to: sizes, hashes of data and referee, ranks, columns."""
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
        facts["columns"] = Columns.declared_by([Parameters]).as_record()
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
        "columns": Columns.declared_by([*world.metrics.values(), world.model]).as_record(),
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


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
