"""Where a report's numbers come from: settings, data, machine, record, commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_testbed.config.compose import configurations
from nc_testbed.record import manifest
from nc_testbed.record.summary import settings
from nc_testbed.record.verify import verify
from nc_testbed.report.arm import Arm
from nc_testbed.report.read_run import FinishedRun
from nc_testbed.report.rerun import rerun_command

VERIFIED = 2**28
"""Bytes of a run up to which its record is verified: about a second of reading."""
LONGEST = 80
"""Characters of a setting's value that are shown."""


@dataclass(frozen=True)
class TextTable:
    """A table of a page, all of it text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def run_table(runs: Sequence[FinishedRun]) -> TextTable:
    """A row per run: what decides of its bytes, and whether its record verifies."""
    header = ["run", "settings", "real data", "referee", "seed", "device", "wall time"]
    header += ["chain head", "record"]
    return TextTable(header, [_run_row(run) for run in runs])


def software(runs: Sequence[FinishedRun]) -> str:
    """The software of all runs, each combination once.

    >>> software([])
    ''
    """
    versions = (run.summary["versions"].items() for run in runs)
    lines = (", ".join(f"{name} {version}" for name, version in items) for items in versions)
    return "; ".join(dict.fromkeys(lines))


def common_settings(arms: Sequence[Arm]) -> list[list[str]]:
    """Settings that are the same in all arms, a row each."""
    flat = [dict(settings(arm.config)) for arm in arms]
    return [
        [key, _short(value)]
        for key, value in flat[0].items()
        if all(key in other and other[key] == value for other in flat)
    ]


def differing_settings(arms: Sequence[Arm]) -> TextTable:
    """A column per arm, a row for every setting in which arms differ, and the seeds."""
    flat = [dict(settings(arm.config)) for arm in arms]
    keys = dict.fromkeys(key for config in flat for key in config if key != "seed")
    rows = []
    for key in keys:
        values = [_short(config[key]) if key in config else "" for config in flat]
        if len(set(values)) > 1:
            rows.append([key, *values])
    rows.append(["seeds", *(_seeds(arm) for arm in arms)])
    return TextTable(["setting", *(arm.label for arm in arms)], rows)


def rerun_commands(runs: Sequence[FinishedRun]) -> list[tuple[Path, str | None]]:
    """The line that makes each run again, None where none gives its settings back."""
    with configurations():
        return [(run.folder, rerun_command(run.config)) for run in runs]


def next_commands(paths: Iterable[Path], run: FinishedRun) -> dict[str, str]:
    """Lines that make this report again, verify a run, and take a run twice as far."""
    folder = shlex.quote(str(run.folder))
    resume = shlex.quote(f"resume={run.folder}")
    generations = 2 * (int(run.trajectories.generations[-1]) + 1)
    return {
        "report": f"python scripts/report.py {shlex.join(map(str, paths))}",
        "verify": f"python scripts/verify.py {folder}",
        "resume": f"python scripts/train.py {resume} generations={generations}",
    }


def _run_row(run: FinishedRun) -> list[str]:
    facts = run.config["facts"]
    hashes = (run.config.get("hash"), facts.get("real_sha256"), facts.get("referee"))
    device = _short(facts.get("device", run.summary["device"]))
    return [
        run.folder.name,
        *map(_digest, hashes),
        str(run.config["seed"]),
        device,
        f"{run.summary['wall_s']:.1f} s",
        *_record(run.folder),
    ]


def _record(folder: Path) -> tuple[str, str]:
    """The sha256 of the last generation's manifest, and whether the record verifies."""
    numbered = (folder / "generations").glob("[0-9]*")
    generations = sorted(path for path in numbered if path.name.isdecimal())
    head = manifest.read_manifest(generations[-1]).digest if generations else None
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if size > VERIFIED:
        return _digest(head), "large: not verified here"
    try:
        faults = verify(folder).faults
    except Exception as error:  # a damaged or hostile record may raise anything
        faults = [f"cannot be checked ({type(error).__name__})"]
    if faults:
        return _digest(head), f"faults: {len(faults)}, {faults[0]}"
    return _digest(head), "all verifies"


def _digest(value: Any) -> str:
    """The first digits of a sha256.

    >>> _digest("0123456789abcdef"), _digest(None)
    ('0123456789ab', 'none')
    """
    return str(value)[:12] if isinstance(value, str) else "none"


def _seeds(arm: Arm) -> str:
    """The seeds of an arm's runs, each once."""
    return _short(", ".join(dict.fromkeys(str(seed) for seed, _ in arm.paired_by)))


def _short(value: Any) -> str:
    """A setting as YAML writes it, cut where it is long.

    >>> _short(None), _short(True), _short(0.5)
    ('null', 'true', '0.5')
    """
    text = str(value)
    if value is None:
        text = "null"
    elif isinstance(value, bool):
        text = text.lower()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}.. ({len(text)} characters)"
