"""One run's directory: the record of truth, one commit per generation."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from safetensors.torch import load, save
from torch import Tensor

from nc_testbed.run.room import writing
from nc_testbed.run.tables import chain_rows, summary_rows
from nc_testbed.types import Generation

FREE = ("generations", "compute", "dashboard", "name", "facts", "hash")
"""Settings that change no generation's result: a run may be continued under others."""
EVERY = 2.0
"""Seconds between two copies of all metrics: a thousand generations may take as many."""


def settings_hash(config: Mapping[str, Any]) -> str:
    """sha256 of every setting that decides a generation's result, 64 hex digits.

    >>> settings_hash({"seed": 0, "generations": 3}) == settings_hash({"seed": 0})
    True
    """
    kept = {key: value for key, value in config.items() if key not in FREE}
    kept["precision"] = config.get("compute", {}).get("precision")  # all that decides of it
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


class RunDirectory:
    """``config.yaml``, ``generations/0007/`` and ``metrics.parquet`` of one run.

    A generation is written into a temporary folder, each file flushed to disk, its manifest
    (sha256 and size of every file) last; one rename makes it visible. A generation counts only
    if its manifest verifies, so a killed run loses at most the generation it was in.
    """

    def __init__(self, path: Path):
        self.path = path
        self.generations = path / "generations"
        self._tables: list[pa.Table] = []
        self._written = -EVERY

    def config(self) -> dict[str, Any] | None:
        """The stored configuration, or None in a new directory."""
        file = self.path / "config.yaml"
        return yaml.safe_load(file.read_text()) if file.is_file() else None

    def start(self, config: Mapping[str, Any]) -> None:
        """Store the configuration and clear what a killed run left half-written."""
        self.generations.mkdir(parents=True, exist_ok=True)
        for left in self.generations.glob("*.tmp-*"):
            shutil.rmtree(left)
        text = yaml.safe_dump(dict(config), sort_keys=False)
        write(self.path / "config.yaml", text.encode())

    def completed(self, generations: Sequence[int]) -> int:
        """How many of these generations, from the first on, are there and verify."""
        folders = (self.generations / f"{g:04d}" for g in generations)
        return len(list(itertools.takewhile(self._verifies, folders)))

    def commit(self, generation: Generation, config: Mapping[str, Any]) -> None:
        """Make one generation part of the record, whole or not at all."""
        final = self.generations / f"{generation.number:04d}"
        temporary = final.with_name(f"{final.name}.tmp-{os.getpid()}")
        files = _files(generation)
        if generation.record:
            summary = config["record"]["chains"] == "summary"
            table = summary_rows(generation) if summary else chain_rows(generation)
            files["metrics.parquet"] = _parquet(table)
            self._tables.append(table)
        manifest: dict[str, Any] = {"generation": generation.number, "config": config["hash"]}
        manifest["files"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in files.items()
        }
        with writing(final, sum(map(len, files.values())), temporary):
            temporary.mkdir()
            for name, data in files.items():
                write(temporary / name, data)
            write(temporary / "manifest.json", json.dumps(manifest, indent=1).encode())
            if final.exists():  # left by a run whose record no longer verifies
                shutil.rmtree(final)
            temporary.rename(final)
            _sync(self.generations)
        if time.monotonic() > self._written + EVERY:
            self.write_table()

    def read_tables(self, generations: Sequence[int]) -> None:
        """Take up the metrics of generations that a run before this one has committed."""
        files = (self.generations / f"{g:04d}" / "metrics.parquet" for g in generations)
        self._tables = [pq.read_table(file) for file in files if file.is_file()]

    def table(self) -> pa.Table | None:
        """Metrics of all generations so far: columns generation, chain and one per metric, or
        the columns of :func:`nc_testbed.run.tables.summary_rows`. None where none was measured."""
        if not self._tables:
            return None
        self._tables = [pa.concat_tables(self._tables, promote_options="default")]
        return self._tables[0]

    def write_table(self) -> None:
        """Write ``metrics.parquet``: a copy for readers, the generations hold the truth."""
        table = self.table()
        if table is not None:
            write(self.path / "metrics.parquet", _parquet(table))
        self._written = time.monotonic()

    def synthetic(self, generation: int) -> Tensor:
        """The synthetic set ``[R, n, D]`` of a generation."""
        return self._load(generation, "synthetic")["rows"]

    def weights(self, generation: int) -> dict[str, Tensor]:
        """The fit's ``state_dict()`` of a generation."""
        return self._load(generation, "weights")

    def statistic(self, generation: int) -> dict[str, Tensor]:
        """The sufficient statistics that a generation was fitted to."""
        return self._load(generation, "statistic")

    def _load(self, generation: int, name: str) -> dict[str, Tensor]:
        return load((self.generations / f"{generation:04d}" / f"{name}.safetensors").read_bytes())

    def _verifies(self, folder: Path) -> bool:
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            return all(
                hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]
                for name, entry in manifest["files"].items()
            )
        except (OSError, ValueError, KeyError):
            return False


def write(path: Path, data: bytes) -> None:
    """Replace a file in one step: temporary, flush to disk, rename."""
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    with writing(path, len(data), temporary):
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _files(generation: Generation) -> dict[str, bytes]:
    """The tensors of a generation by file name."""
    pictures = {} if generation.pictures is None else {"pictures": generation.pictures}
    rows = {} if generation.synthetic is None else {"rows": generation.synthetic}
    tensors = {
        "weights": generation.weights,
        "synthetic": rows | pictures,
        "statistic": generation.statistic or {},
    }
    return {
        f"{name}.safetensors": save({k: v.cpu().contiguous() for k, v in group.items()})
        for name, group in tensors.items()
        if group
    }


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()
