"""What TensorBoard's table of hyperparameters is told of a run: its settings and how it
ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from nc_testbed.record.summary import settings


def hyperparameters(config: Mapping[str, Any]) -> dict[str, bool | float | str]:
    """The settings as values TensorBoard takes: what is no number, text or truth is JSON.

    The seed is left out: runs that differ in nothing else are one row of the table, which
    shows the mean of their metrics beside the settings of one of them.

    >>> hyperparameters({"seed": 0, "budget": None, "model": {"widths": [400, 20]}})
    {'budget': 'null', 'model.widths': '[400, 20]'}
    """
    plain = bool | int | float | str
    values = {k: v if isinstance(v, plain) else json.dumps(v) for k, v in settings(config)}
    return {key: value for key, value in values.items() if key != "seed"}


def group_name(config: Mapping[str, Any]) -> str:
    """The same for runs that differ in their seed only, so that they share one table
    row."""
    shared = json.dumps(hyperparameters(config), sort_keys=True)
    digest = sha256(shared.encode()).hexdigest()[:8]
    names = config.get("name", {})
    return " ".join(
        [*(names[part] for part in ("policy", "data", "model") if part in names), digest]
    )


def final(position: int, name: str) -> str:
    """The tag of a metric's mean at the end of a finished run.

    TensorBoard shows five columns of metrics unless told otherwise, the first ones by
    name.

    >>> final(1, "tail_coverage")
    '0 final/1 tail_coverage'
    """
    return f"0 final/{position} {name}"
