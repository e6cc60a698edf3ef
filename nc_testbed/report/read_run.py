"""A finished run as its directory has it, every file checked before it is used."""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.safe_loading import OWN, read_yaml
from nc_testbed.metrics.column import Columns
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.record.controls import are_controls
from nc_testbed.record.tables import Trajectories

CONFIG = "config.yaml"
TABLE = "metrics.parquet"
SUMMARY = "summary.json"
CELLS = 2**27
"""Most numbers of a table: 1 GiB of them."""
PARTS = {
    "device": str,
    "laws": dict,
    "alarms": list,
    "versions": dict,
    "wall_s": (int, float),
}
"""Entries of a summary that a report reads, with their types."""
LAW = {
    "law": str,
    "source": str,
    "generations": list,
    "values": list,
    "z": list,
    "verdict": str,
}
ALARM = {"on": str, "alpha": float, "generation": list, "tail_ranks": list}


@dataclass(frozen=True)
class FinishedRun:
    """A run's settings and facts, its metrics, and its summary."""

    folder: Path
    config: dict[str, Any]
    trajectories: Trajectories
    summary: dict[str, Any]


def read_run(folder: Path) -> FinishedRun:
    """Read a run's ``config.yaml``, ``metrics.parquet`` and ``summary.json``.

    Raises BadInput (``runs``) naming the file that is not what a run writes; sizes that a
    file declares are checked before anything of that size is made.
    """
    config = read_config(folder)
    table = read_metrics(folder)
    with refuse_damage(folder / TABLE, "a run's table of metrics"):
        trajectories = Trajectories.of(table, ChainStatistics.from_records(config))
    return FinishedRun(folder, config, trajectories, read_summary(folder))


def read_config(folder: Path) -> dict[str, Any]:
    """A run's settings and facts, or BadInput."""
    path = folder / CONFIG
    config = read_yaml(path, "runs", OWN)
    _check(isinstance(config, dict), path, "holds no settings")
    for key in ("name", "data", "model", "policy", "facts"):
        _check(isinstance(config.get(key), Mapping), path, f"has no {key}")
    for key in ("data", "model", "policy"):
        _check(isinstance(config["name"].get(key), str), path, "has no name")
    _check(isinstance(config.get("seed"), int), path, "has no seed")
    event = config["facts"].get("event")
    is_event = isinstance(event, list) and 1 <= len(event) <= 3
    is_event = is_event and all(isinstance(size, int) and 1 <= size <= OWN for size in event)
    _check(is_event, path, "has no facts.event")
    _check("columns" in config["facts"], path, "does not say what its columns are")
    try:
        Columns.from_records(config)
    except BadInput as error:
        raise BadInput("runs", path, str(error)) from None
    return config


def read_metrics(folder: Path) -> pa.Table:
    """A run's metrics, a table of :mod:`nc_testbed.record.tables`, or BadInput."""
    path = folder / TABLE
    check_file(path, OWN * 64)
    with refuse_damage(path, "a run's table of metrics"), pq.ParquetFile(path) as file:
        cells = file.metadata.num_rows * file.metadata.num_columns
        _check(0 < cells <= CELLS, path, f"says it holds {cells} numbers")
        return file.read()


def read_summary(folder: Path) -> dict[str, Any]:
    """A run's summary, or BadInput."""
    path = folder / SUMMARY
    check_file(path, OWN)
    with refuse_damage(path, "a run's summary"):
        summary = json.loads(path.read_text(encoding="utf-8"))
    _check(isinstance(summary, dict), path, "is not a run's summary")
    for key, kind in PARTS.items():
        _check(isinstance(summary.get(key), kind), path, f"has no {key}")
    laws = list(summary["laws"].values())
    alarms = summary["alarms"]
    has_types = all(_has_types(law, LAW) for law in laws)
    has_types = has_types and all(_has_types(alarm, ALARM) for alarm in alarms)
    _check(has_types, path, "has laws or alarms that are none")
    are_curves = all(_is_curve(law) for law in laws)
    are_curves = are_curves and all(_are_numbers(alarm["generation"]) for alarm in alarms)
    _check(are_curves, path, "has laws or alarms that are no curves")
    # Runs of before measured no controls.
    _check(are_controls(summary.setdefault("controls", {})), path, "has controls that are none")
    return summary


@contextlib.contextmanager
def refuse_damage(path: Path, kind: str) -> Generator[None]:
    """Whatever goes wrong in here is a damaged file: BadInput (``runs``)."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:  # a damaged or hostile file may raise anything
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise BadInput("runs", path, f"is not {kind} ({reason})") from error


def check_file(path: Path, limit: int) -> None:
    """Refuse what is no file (reading a pipe would never end), or too many bytes."""
    try:
        facts = path.stat()
    except OSError as error:
        raise BadInput("runs", path, f"cannot be read ({error.strerror})") from None
    _check(stat.S_ISREG(facts.st_mode), path, "is no file")
    _check(facts.st_size <= limit, path, f"has {facts.st_size} bytes")


def _has_types(node: Any, types: Mapping[str, type]) -> bool:
    """Whether a node has these keys, with values of these types."""
    return isinstance(node, dict) and all(isinstance(node.get(k), t) for k, t in types.items())


def _is_curve(law: Mapping[str, Any]) -> bool:
    """Whether a law has as many numbers, at least one, of every kind."""
    curve = [law[key] for key in ("generations", "values", "z")]
    same_length = len({len(numbers) for numbers in curve}) == 1 and len(curve[0]) > 0
    return same_length and all(_are_numbers(numbers) for numbers in curve)


def _are_numbers(values: list[Any]) -> bool:
    """Whether all values are numbers, or None for one that is undefined."""
    return all(isinstance(value, int | float | None) for value in values)


def _check(valid: bool, path: Path, fault: str) -> None:
    require(valid, "runs", path, f"{fault}: leave this run out, or make it again")
