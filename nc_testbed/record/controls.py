"""controls.json: what every column of a run reads on rows whose worth is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from nc_testbed.record import manifest
from nc_testbed.record.directory import write

NAME = "controls.json"
Controls = Mapping[str, Mapping[str, Sequence[float | None]]]
"""``{control: {column: [low, mean, high]}}``; None for what is undefined."""


def seal_controls(controls: Controls, config: Mapping[str, Any]) -> bytes:
    """``controls.json``: the hash of the settings, the controls, and the file's own
    sha256, so that it verifies by itself from a run's start on.

    >>> sealed = seal_controls({"real": {"recall": [0.9, 1.0, float("nan")]}}, {"hash": "3f"})
    >>> unseal_controls(sealed, {"hash": "3f"})
    {'real': {'recall': [0.9, 1.0, None]}}
    """
    return manifest.seal({"config": config["hash"], "controls": as_plain(controls)})


def unseal_controls(data: bytes, config: Mapping[str, Any]) -> dict[str, Any]:
    """The content of :func:`seal_controls`; raises ValueError where a byte is not as it was
    written, or where the file is another run's."""
    try:
        content = json.loads(data)
        sealed = {key: value for key, value in content.items() if key != "sha256"}
        is_whole = manifest.seal(sealed) == data and content["config"] == config["hash"]
        controls = content["controls"]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise ValueError("altered") from None
    if not is_whole or not are_controls(controls):
        raise ValueError("altered")
    return controls


def read_controls(run: Path, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The controls that a run's directory keeps, None where it keeps none.

    Raises ValueError where the file is not as it was written.
    """
    file = run / NAME
    if not file.exists():
        return None
    if not manifest.is_regular_file(file) or file.stat().st_size > manifest.LARGEST:
        raise ValueError("altered")
    return unseal_controls(file.read_bytes(), config)


def write_controls(run: Path, controls: Controls, config: Mapping[str, Any]) -> None:
    """Make the controls part of a run's record, once, before its first generation."""
    write(run / NAME, seal_controls(controls, config))


def are_controls(node: Any) -> bool:
    """Whether somebody's JSON is :data:`Controls`.

    >>> are_controls({"real": {"recall": [0.9, 1, None]}}), are_controls({"real": [0.9]})
    (True, False)
    """
    if not isinstance(node, Mapping):
        return False
    measured = list(node.values())
    if not all(isinstance(columns, Mapping) for columns in measured):
        return False
    return all(_is_triple(numbers) for columns in measured for numbers in columns.values())


def as_plain(controls: Controls) -> dict[str, dict[str, list[float | None]]]:
    """Controls as JSON has them: numbers that are not finite are null."""
    return {
        control: {name: [_finite(x) for x in numbers] for name, numbers in columns.items()}
        for control, columns in controls.items()
    }


def _is_triple(numbers: Any) -> bool:
    """Whether this is low, mean and high."""
    if not isinstance(numbers, list | tuple) or len(numbers) != 3:
        return False
    # isinstance takes True for an int.
    return all(type(x) in (int, float) or x is None for x in numbers)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None
