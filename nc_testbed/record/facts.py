"""What a run's settings led to, as its record keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import torch

from nc_testbed.config.config_file import settings_hash
from nc_testbed.data.source import Data
from nc_testbed.loop.run import Run
from nc_testbed.metrics.column import Columns
from nc_testbed.metrics.matched_coverage import covered_rows


def with_facts(config: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """The configuration with what it led to: sizes, hashes of data and referee, ranks,
    and what is said of the columns."""
    sizes = list(run.sizes[1:])
    facts: dict[str, Any] = {
        "n": sizes[0] if len(set(sizes)) == 1 else sizes,
        "real_rows": run.sizes[0],
        "device": _device_name(run.device),
        "draw": run.store.draw,
        "event": list(run.data.space.event),
        "image": run.data.space.image,
    }
    facts |= _of_rows(run) if run.store.draw == "rows" else _of_law(run.data)
    columns = Columns.declared_by([*run.metrics.values(), run.model])
    facts["columns"] = columns.as_record()
    return {**config, "hash": settings_hash(config), "facts": facts}


def _of_law(data: Data) -> dict[str, Any]:
    """What is known of data of which no row was drawn."""
    ((_, parameters),) = data.true_parameters
    truth = {name: value[0].tolist() for name, value in parameters.items()}
    return {"truth": truth, "real_sha256": sha256(json.dumps(truth).encode()).hexdigest()}


def _of_rows(run: Run) -> dict[str, Any]:
    """What is known of data that are rows, and of their referee."""
    data = run.data
    facts: dict[str, Any] = {
        "real_sha256": _hash_of_rows(data),
        "data": data.record,
        "referee": run.reference.referee.sha256,
        "classes": list(data.classes),
        "evaluation_rows": run.evaluation_rows,
    }
    if data.rank is not None:
        facts["rank_to_class"] = data.rank.argsort(1).tolist()
    if data.held_out_y is not None and run.evaluation_rows:
        facts["referee_accuracy"] = run.reference.accuracy(data.held_out_y)
        facts["covered_rows"] = covered_rows(run.reference)
    return facts


def _hash_of_rows(data: Data) -> str:
    """sha256 of the real rows, of which are generation 0's and of those held out.

    Rows that an exact law draws for later generations are left out: a longer run draws
    more.
    """
    rows = data.x if data.law is None else data.x[:, : data.training.shape[1]]
    digest = sha256()
    for tensor in (rows, data.training, data.held_out):
        digest.update(tensor.cpu().contiguous().numpy())
    return digest.hexdigest()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
