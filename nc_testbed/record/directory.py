"""One run's directory: the record of truth, one commit per generation."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.torch import load, save
from torch import Tensor

from nc_testbed.config.config_file import load_config, root, text
from nc_testbed.core.interfaces import Generation
from nc_testbed.record import manifest
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.record.disk_errors import writing
from nc_testbed.record.tables import chain_rows, summary_rows

EVERY = 2.0
"""Seconds between two copies of all metrics: a thousand generations may take as many."""


class RunDirectory:
    """``config.yaml``, ``generations/0007/`` and ``metrics.parquet`` of one run.

    A generation is written into a temporary folder, each file flushed to disk, its
    manifest last: sha256 and size of every file, and the sha256 of the manifest before
    it, so that the manifests are a chain that starts at the real data. One rename makes
    the folder visible. A generation counts only if it and all before it verify, so a
    killed run loses at most the generation it was in. When a run ends, a manifest of the
    whole closes the chain. All that changes something is called with the run's lock held
    (:mod:`nc_testbed.record.lock`).
    """

    def __init__(self, path: Path):
        self.path = path
        self.generations = path / "generations"
        self.rejected: list[str] = []
        self._head: str | None = None  # sha256 of the last good generation's manifest
        self._tables: list[pa.Table] = []
        self._written = -EVERY

    def made_with(self) -> str | None:
        """The hash of the settings that the directory's run has, None in a new directory.

        Where ``config.yaml`` is damaged a generation's manifest knows; "" where none
        does.
        """
        try:
            config = load_config(self.path)
            return None if config is None else config["hash"]
        except ValueError:
            folders = map(manifest.read_manifest, sorted(self.generations.glob("[0-9]*")))
            return next((x.manifest["config"] for x in folders if x.manifest), "")

    def start(self, config: Mapping[str, Any]) -> None:
        """Store the configuration and clear what a killed run left.

        Called after :meth:`count_committed`."""
        self.generations.mkdir(parents=True, exist_ok=True)
        for leftover in [*self.path.glob("*.tmp-*"), *self.generations.glob("*.tmp-*")]:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        (self.path / manifest.NAME).unlink(missing_ok=True)  # the run is not finished any more
        write(self.path / "config.yaml", text(config))
        self._head = self._head or root(config)

    def count_committed(self, generations: Sequence[int], config: Mapping[str, Any]) -> int:
        """How many of these generations, from the first on, are there and verify.

        ``rejected`` gets a line for each of the others that is there, and says why.
        """
        done = 0
        self.rejected = []
        self._head = root(config)
        last = max((g for g in generations if self.folder(g).exists()), default=-1)
        for i, g in enumerate(g for g in generations if g <= last):
            finding = manifest.inspect(self.folder(g), g, self._head, config["hash"])
            if i > done:
                self.rejected.append(f"generation {g}: comes after one that is rejected")
            elif finding.faults:
                self.rejected.append(f"generation {g}: {'; '.join(finding.faults)}")
            else:
                done = i + 1
                self._head = finding.digest
        return done

    def folder(self, generation: int) -> Path:
        """Where a generation is, or will be."""
        return self.generations / f"{generation:04d}"

    def commit(self, generation: Generation, config: Mapping[str, Any]) -> None:
        """Make one generation part of the record, whole or not at all."""
        final = self.folder(generation.number)
        temporary = final.with_name(f"{final.name}.tmp-{os.getpid()}")
        files = _files(generation)
        table = _table(generation, config)
        if table is not None:
            files["metrics.parquet"] = parquet(table)
        entries = {name: manifest.entry(data) for name, data in files.items()}
        content = manifest.seal(self._manifest(config, generation, entries))
        if config["store"] == "none":
            files.pop(manifest.SYNTHETIC, None)
        files |= {manifest.NAME: content}
        with writing(final, sum(map(len, files.values())), temporary):
            temporary.mkdir()
            for name, data in files.items():
                _put(temporary / name, data)
            _sync(temporary)
            if final.exists():  # left by a run whose record no longer verifies
                shutil.rmtree(final)
            temporary.rename(final)
            _sync(self.generations)
        self._head = manifest.entry(content)["sha256"]
        self._tables += [] if table is None else [table]
        if time.monotonic() > self._written + EVERY:
            self.write_table()

    def _manifest(
        self, config: Mapping[str, Any], generation: Generation | None, files: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A manifest of a generation, or of the whole run."""
        facts = config["facts"]
        lineage = generation.lineage if generation else ()
        return {
            "generation": generation.number if generation else None,
            "config": config["hash"],
            "parent": self._head,
            "seed": config["seed"],
            "store": config["store"],
            "versions": manifest.writer_versions(facts.get("device")),
            **({"lineage": lineage[0]} if lineage else {}),
            "files": dict(files),
        }

    def finish(self, config: Mapping[str, Any], summary: bytes) -> None:
        """Write ``metrics.parquet``, ``summary.json`` and the manifest that closes the
        chain."""
        self.write_table()
        write(self.path / "summary.json", summary)
        names = ("config.yaml", "controls.json", "metrics.parquet", "summary.json")
        files = [self.path / name for name in names if (self.path / name).is_file()]
        entries = {file.name: manifest.entry(file.read_bytes()) for file in files}
        write(self.path / manifest.NAME, manifest.seal(self._manifest(config, None, entries)))

    def forget(self, generations: Sequence[int]) -> None:
        """Remove the synthetic sets of these generations where their manifests allow
        it."""
        for folder in map(self.folder, generations):
            file = folder / manifest.SYNTHETIC
            finding = (
                manifest.read_manifest(folder) if file.exists() else manifest.FolderCheck()
            )
            if finding.manifest and finding.manifest["store"] == "last":
                file.unlink()

    def read_tables(self, generations: Sequence[int]) -> None:
        """Take up the metrics of generations that a run before this one has committed."""
        files = (self.generations / f"{g:04d}" / "metrics.parquet" for g in generations)
        self._tables = [pq.read_table(file) for file in files if file.is_file()]

    def table(self) -> pa.Table | None:
        """Metrics of all generations so far: columns generation, chain and one per
        metric, or the columns of :func:`nc_testbed.record.tables.summary_rows`. None
        where none was measured."""
        if not self._tables:
            return None
        self._tables = [pa.concat_tables(self._tables, promote_options="default")]
        return self._tables[0]

    def write_table(self) -> None:
        """Write ``metrics.parquet``: a copy for readers, the generations hold the
        truth."""
        table = self.table()
        if table is not None:
            write(self.path / "metrics.parquet", parquet(table))
        self._written = time.monotonic()

    def synthetic(self, generation: int) -> Tensor | None:
        """The synthetic set ``[R, n, D]`` of a generation, None where it was not kept."""
        if not (self.folder(generation) / manifest.SYNTHETIC).is_file():
            return None
        return self._load(generation, "synthetic")["rows"]

    def is_synthetic(self, generation: int, rows: Tensor) -> bool:
        """Whether these rows are, byte for byte, the synthetic set that a generation
        recorded."""
        content = manifest.read_manifest(self.folder(generation)).manifest
        bytes_ = _to_bytes({"rows": rows})
        return content is not None and content["files"][manifest.SYNTHETIC] == manifest.entry(
            bytes_
        )

    def weights(self, generation: int) -> dict[str, Tensor]:
        """The fit's ``state_dict()`` of a generation."""
        return self._load(generation, "weights")

    def statistic(self, generation: int) -> dict[str, Tensor] | None:
        """The sufficient statistics that a generation was
        fitted to, None where it was to rows."""
        if not (self.folder(generation) / "statistic.safetensors").is_file():
            return None
        return self._load(generation, "statistic")

    def _load(self, generation: int, name: str) -> dict[str, Tensor]:
        return load((self.folder(generation) / f"{name}.safetensors").read_bytes())


def write(path: Path, data: bytes) -> None:
    """Replace a file in one step: temporary, flush to disk, rename."""
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    with writing(path, len(data), temporary):
        _put(temporary, data)
        temporary.rename(path)
        _sync(path.parent)


def _put(path: Path, data: bytes) -> None:
    """A new file, flushed to disk."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(generation: Generation) -> dict[str, bytes]:
    """The tensors of a generation by file name."""
    tensors = {
        "weights": generation.weights,
        "synthetic": {} if generation.synthetic is None else {"rows": generation.synthetic},
        "pictures": {} if generation.pictures is None else {"pictures": generation.pictures},
        "statistic": generation.statistic or {},
    }
    return {f"{name}.safetensors": _to_bytes(group) for name, group in tensors.items() if group}


def _to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    return save({name: value.cpu().contiguous() for name, value in tensors.items()})


def _table(generation: Generation, config: Mapping[str, Any]) -> pa.Table | None:
    """The metrics of a generation, None where none was measured."""
    if not generation.record:
        return None
    if config["record"]["chains"] == "summary":
        return summary_rows(generation, ChainStatistics.from_records(config))
    return chain_rows(generation)


def parquet(table: pa.Table) -> bytes:
    """A table as the bytes of its file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()
