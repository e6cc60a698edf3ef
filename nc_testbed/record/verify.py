"""Whether a run's directory holds what was written, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nc_testbed.config.config_file import load_config, root, settings_hash
from nc_testbed.config.settings import RecordSettings, of_run
from nc_testbed.core.errors import BadInput, require
from nc_testbed.record import manifest
from nc_testbed.record.controls import NAME as CONTROLS
from nc_testbed.record.controls import read_controls
from nc_testbed.record.directory import RunDirectory, parquet


@dataclass
class RecordCheck:
    """faults: a line for every file that is not what was written. notes: what else there
    is to say. manifests: those that verify, by generation. config: None where it does not
    verify."""

    config: dict[str, Any] | None = None
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    manifests: dict[int, dict[str, Any]] = field(default_factory=dict)


def verify(run: Path) -> RecordCheck:
    """Check the settings, the chain of generations and the table of metrics of a run.

    Nothing is written, and a run that is going on may be checked. Raises BadInput where
    the path is no run.
    """
    directory = RunDirectory(run)
    exists = (run / "config.yaml").is_file() or directory.generations.is_dir()
    require(exists, "run", run, "no run there: name a directory that holds its config.yaml")
    verdict = RecordCheck(_config(run))
    if verdict.config is None:
        verdict.faults.append("config.yaml is missing, altered, or not of this version")
    made_with = verdict.config["hash"] if verdict.config else directory.made_with() or ""
    finished = (run / manifest.NAME).exists()
    expected = _expected_generations(verdict.config)
    present = _present(directory, verdict)
    chain = (
        expected
        if finished and expected
        else [g for g in expected or present if g <= max(present, default=-1)]
    )
    digest = root(verdict.config) if verdict.config else None
    digests = {digest}
    for g in chain:
        digest = _generation(directory, g, digest, made_with, verdict)
        digests.add(digest)
    for g in (g for g in present if g not in chain):  # left by a run of fewer generations
        _generation(directory, g, None, made_with, verdict)
        if verdict.manifests.get(g, {}).get("parent") not in digests:
            verdict.faults.append(f"generations/{g:04d} follows no generation of this run")
    if finished:
        complete = manifest.inspect(run, None, digest, made_with)
        verdict.faults += [fault for fault in complete.faults if fault not in verdict.faults]
    else:
        verdict.notes.append(
            f"not finished: {len(chain)} of {len(expected) or '?'} generations"
        )
    _controls(run, verdict)
    _table(run, chain, verdict)
    return verdict


def _config(run: Path) -> dict[str, Any] | None:
    """The stored settings, None where they do not verify."""
    try:
        config = load_config(run)
        if config is None or config["hash"] != settings_hash(config):
            return None
        of_run({k: v for k, v in config.items() if k not in ("facts", "hash")})
    except (ValueError, OSError, BadInput):
        return None
    facts = config.get("facts")
    return (
        config
        if isinstance(facts, dict) and facts.get("draw") in ("rows", "statistics")
        else None
    )


def _expected_generations(config: Mapping[str, Any] | None) -> list[int]:
    """The generations that a run stores."""
    if config is None:
        return []
    if config["facts"]["draw"] == "rows":
        return list(range(config["generations"]))
    expected = config["record"]["generations"]
    settings = RecordSettings(tuple(expected) if isinstance(expected, list) else expected)
    return list(settings.among(config["generations"]))


def _present(directory: RunDirectory, verdict: RecordCheck) -> list[int]:
    """The generations that are there; anything else beside them is named."""
    folders = sorted(directory.generations.iterdir()) if directory.generations.is_dir() else []
    for path in folders:
        if ".tmp-" in path.name:
            verdict.notes.append(f"generations/{path.name} was left by a run that was killed")
        elif not path.name.isdecimal():
            verdict.faults.append(f"generations/{path.name} is not of this run")
    return sorted(int(path.name) for path in folders if path.name.isdecimal())


def _generation(
    directory: RunDirectory, g: int, parent: str | None, made_with: str, verdict: RecordCheck
) -> str | None:
    """Check a generation; its manifest's sha256, None where it does not verify."""
    finding = manifest.inspect(directory.folder(g), g, parent, made_with)
    prefix = f"generations/{g:04d}/"
    verdict.faults += [prefix + fault for fault in finding.faults]
    verdict.faults += [f"{prefix}{name} is not of this generation" for name in finding.extra]
    if finding.manifest is not None and not finding.faults:
        verdict.manifests[g] = finding.manifest
    return finding.digest


def _controls(run: Path, verdict: RecordCheck) -> None:
    """Hold ``controls.json`` against its own sha256 and the settings; runs of before have
    none."""
    if verdict.config is None or any(fault.startswith(CONTROLS) for fault in verdict.faults):
        return
    try:
        read_controls(run, verdict.config)
    except (ValueError, OSError):
        verdict.faults.append(f"{CONTROLS} is altered")


def _table(run: Path, chain: Sequence[int], verdict: RecordCheck) -> None:
    """Hold ``metrics.parquet`` against the generations, of which it may lack the last."""
    name = "metrics.parquet"
    directory = RunDirectory(run)
    if any(fault.startswith(name) for fault in verdict.faults) or not (run / name).is_file():
        return
    if any(g not in verdict.manifests for g in chain):
        verdict.notes.append(f"{name} is not compared with generations that do not verify")
        return
    data = (run / name).read_bytes()
    try:
        rows = pq.read_metadata(pa.BufferReader(data)).num_rows
        directory.read_tables(chain)
        complete = directory.table()
        expected = None if complete is None else complete.slice(0, rows)
        same = expected is not None and _same(data, expected, verdict)
    except (pa.ArrowException, OSError, ValueError):
        same = False
    if not same:
        verdict.faults.append(f"{name} is not what the generations hold")


def _same(data: bytes, expected: pa.Table, verdict: RecordCheck) -> bool:
    """Whether a file holds this table: byte for byte where this version of pyarrow wrote
    it."""
    if parquet(expected) == data:
        return True
    wrote = {content["versions"]["pyarrow"] for content in verdict.manifests.values()}
    if wrote == {pa.__version__}:
        return False
    return parquet(pq.read_table(pa.BufferReader(data))) == parquet(expected)
