"""One run's directory: the record of truth, one commit per generation."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from safetensors.torch import load, save
from torch import Tensor

from nc_testbed.loop import Generation

FREE = ("generations", "compute", "dashboard", "name", "record", "hash")
"""Settings that change no generation's result: a run may be continued under others."""


def settings_hash(config: Mapping[str, Any]) -> str:
    """sha256 of every setting that decides a generation's result, 64 hex digits.

    >>> settings_hash({"seed": 0, "generations": 3}) == settings_hash({"seed": 0})
    True
    """
    kept = {key: value for key, value in config.items() if key not in FREE}
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

    def completed(self) -> int:
        """How many generations, from 0 on, are there and verify."""
        g = 0
        while self._verifies(self.generations / f"{g:04d}"):
            g += 1
        return g

    def commit(self, generation: Generation, config_hash: str) -> None:
        """Make one generation part of the record, whole or not at all."""
        final = self.generations / f"{generation.number:04d}"
        temporary = final.with_name(f"{final.name}.tmp-{os.getpid()}")
        temporary.mkdir()
        weights = {k: v.cpu().contiguous() for k, v in generation.fit.state_dict().items()}
        samples = {"rows": generation.synthetic, "pictures": generation.pictures}
        files = {
            "weights.safetensors": save(weights),
            "synthetic.safetensors": save({k: v.cpu().contiguous() for k, v in samples.items()}),
            "metrics.parquet": _parquet(_rows(generation)),
        }
        manifest: dict[str, Any] = {"generation": generation.number, "config": config_hash}
        manifest["files"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in files.items()
        }
        for name, data in files.items():
            write(temporary / name, data)
        write(temporary / "manifest.json", json.dumps(manifest, indent=1).encode())
        if final.exists():  # left by a run whose record no longer verifies
            shutil.rmtree(final)
        temporary.rename(final)
        _sync(self.generations)
        write(self.path / "metrics.parquet", _parquet(self.table(generation.number + 1)))

    def table(self, generations: int) -> pa.Table:
        """Metrics of the first generations: columns generation, chain, one per metric."""
        folders = (self.generations / f"{g:04d}" for g in range(generations))
        tables = [pq.read_table(folder / "metrics.parquet") for folder in folders]
        return pa.concat_tables(tables, promote_options="default")

    def synthetic(self, generation: int) -> Tensor:
        """The synthetic set ``[R, n, D]`` of a generation."""
        return self._load(generation, "synthetic")["rows"]

    def weights(self, generation: int) -> dict[str, Tensor]:
        """The fit's ``state_dict()`` of a generation."""
        return self._load(generation, "weights")

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
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _rows(generation: Generation) -> pa.Table:
    chains = len(next(iter(generation.record.values())))
    columns = {"generation": [generation.number] * chains, "chain": list(range(chains))}
    return pa.table(columns | {k: v.numpy() for k, v in generation.record.items()})


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()
