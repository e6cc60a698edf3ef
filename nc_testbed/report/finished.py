"""A finished run as its directory has it, every file checked before it is used."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.safe_yaml import OWN, read_yaml
from nc_testbed.metrics.column import Columns
from nc_testbed.record.tables import Trajectories

CONFIG, TABLE, SUMMARY = "config.yaml", "metrics.parquet", "summary.json"
CELLS = 2**27
"""Most numbers of a table: 1 GiB of them."""
NODES = {"name": ("data", "model", "policy"), "data": (), "model": (), "policy": (), "facts": ()}
PARTS = {
    "device": str,
    "laws": dict,
    "alarms": list,
    "versions": dict,
    "wall_s": (int, float),
}
LAW = {"law": str, "source": str, "generations": list, "values": list, "z": list, "verdict": str}
ALARM = {"on": str, "alpha": float, "generation": list, "tail_ranks": list}


@dataclass(frozen=True)
class Finished:
    """A run's settings and facts, its metrics, and its summary."""

    folder: Path
    config: dict[str, Any]
    trajectories: Trajectories
    summary: dict[str, Any]


def finished(folder: Path) -> Finished:
    """Read a run's ``config.yaml``, ``metrics.parquet`` and ``summary.json``.

    Raises BadInput (``runs``) naming the file that is not what a run writes; sizes that a file
    declares are checked before anything of that size is made.
    """
    config, table = read_config(folder), read_table(folder)
    with reading(folder / TABLE, "a run's table of metrics"):
        trajectories = Trajectories.of(table)
    return Finished(folder, config, trajectories, read_summary(folder))


def below(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """The finished runs (those with a ``summary.json``) at or below the paths, each once, and
    how many runs are there that are not finished.

    Raises BadInput (``runs``) where there is none. What lies within a run is not searched.
    """
    given, found = list(paths), {}
    for path in given:
        for parent, folders, files in os.walk(path) if os.path.isdir(path) else ():
            if CONFIG in files:
                found[Path(parent)] = SUMMARY in files
                folders.clear()
            folders.sort()
    runs = [folder for folder, done in found.items() if done]
    require(bool(runs), "runs", " ".join(map(str, given)), "no finished run is there")
    return runs, len(found) - len(runs)


def read_config(folder: Path) -> dict[str, Any]:
    """A run's settings and facts, or BadInput."""
    path = folder / CONFIG
    config = read_yaml(path, "runs", OWN)
    _refuse_unless(isinstance(config, dict), path, "holds no settings")
    for key, inner in NODES.items():
        node = config.get(key)
        fits = isinstance(node, Mapping) and all(isinstance(node.get(k), str) for k in inner)
        _refuse_unless(fits, path, f"has no {key}")
    seed, event = config.get("seed"), config["facts"].get("event")
    _refuse_unless(isinstance(seed, int), path, "has no seed")
    fits = isinstance(event, list) and 1 <= len(event) <= 3
    fits = fits and all(isinstance(size, int) and 1 <= size <= OWN for size in event)
    _refuse_unless(fits, path, "has no facts.event")
    _refuse_unless("columns" in config["facts"], path, "does not say what its columns are")
    try:
        Columns.from_records(config)
    except BadInput as error:
        raise BadInput("runs", path, str(error)) from None
    return config


def read_table(folder: Path) -> pa.Table:
    """A run's metrics, a table of :mod:`nc_testbed.record.tables`, or BadInput."""
    path = folder / TABLE
    regular(path, OWN * 64)
    with reading(path, "a run's table of metrics"), pq.ParquetFile(path) as file:
        cells = file.metadata.num_rows * file.metadata.num_columns
        _refuse_unless(0 < cells <= CELLS, path, f"says it holds {cells} numbers")
        return file.read()


def read_summary(folder: Path) -> dict[str, Any]:
    """A run's summary, or BadInput."""
    path = folder / SUMMARY
    regular(path, OWN)
    with reading(path, "a run's summary"):
        summary = json.loads(path.read_text(encoding="utf-8"))
    _refuse_unless(isinstance(summary, dict), path, "is not a run's summary")
    for key, kind in PARTS.items():
        _refuse_unless(isinstance(summary.get(key), kind), path, f"has no {key}")
    laws, alarms = list(summary["laws"].values()), summary["alarms"]
    for each, wanted in ((laws, LAW), (alarms, ALARM)):
        fits = all(isinstance(node, dict) for node in each)
        fits = fits and all(isinstance(node.get(k), t) for node in each for k, t in wanted.items())
        _refuse_unless(fits, path, "has laws or alarms that are none")
    curves = [law[key] for law in laws for key in ("values", "z")]
    curves += [law["generations"] for law in laws] + [alarm["generation"] for alarm in alarms]
    numbers = all(isinstance(x, int | float | None) for curve in curves for x in curve)
    long = all(len(law["generations"]) == len(law[k]) > 0 for law in laws for k in ("values", "z"))
    _refuse_unless(numbers and long, path, "has laws or alarms that are no curves")
    return summary


@contextlib.contextmanager
def reading(path: Path, what: str) -> Generator[None]:
    """Whatever goes wrong in here is a file that is not what it should be: BadInput (``runs``)."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:  # a damaged or hostile file may raise anything
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise BadInput("runs", path, f"is not {what} ({why})") from error


def regular(path: Path, limit: int) -> None:
    """Refuse what is no file, or too long a one: reading a pipe would wait for ever."""
    try:
        facts = path.stat()
    except OSError as error:
        raise BadInput("runs", path, f"cannot be read ({error.strerror})") from None
    _refuse_unless(stat.S_ISREG(facts.st_mode), path, "is no file")
    _refuse_unless(facts.st_size <= limit, path, f"has {facts.st_size} bytes")


def _refuse_unless(fits: bool, path: Path, why: str) -> None:
    require(fits, "runs", path, f"{why}: leave this run out, or make it again")
