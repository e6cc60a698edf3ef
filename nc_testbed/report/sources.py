"""Where a report's numbers come from: settings, data, machine, record, and how to rerun them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nc_testbed.config.compose import configurations
from nc_testbed.record import manifest
from nc_testbed.record.summary import settings
from nc_testbed.record.verify import verify
from nc_testbed.report.compare import Arm
from nc_testbed.report.finished import Finished
from nc_testbed.report.rerun import command

VERIFIED = 2**28
"""Bytes of a run up to which its record is verified for the report: about a second of reading."""
LONGEST = 80
"""Characters of a setting's value that are shown."""


def runs(found: Sequence[Finished]) -> tuple[list[str], list[list[str]]]:
    """A header and a line per run: what decides of its bytes, and whether its record verifies."""
    header = ["run", "settings", "real data", "referee", "seed", "device", "wall time"]
    header += ["chain head", "record"]
    return header, [_run(run) for run in found]


def versions(found: Sequence[Finished]) -> str:
    """The software of all runs.

    >>> versions([])
    ''
    """
    named = (", ".join(f"{k} {v}" for k, v in run.summary["versions"].items()) for run in found)
    return "; ".join(dict.fromkeys(named))


def common(arms: Sequence[Arm]) -> list[list[str]]:
    """Settings that are the same in all arms, a line each."""
    flat = [dict(settings(arm.config)) for arm in arms]
    every = flat[0].items()
    return [[k, _short(v)] for k, v in every if all(k in o and o[k] == v for o in flat)]


def differing(arms: Sequence[Arm]) -> tuple[list[str], list[list[str]]]:
    """A header of arms, and a line for every setting in which they differ; seeds are listed."""
    flat = [dict(settings(arm.config)) for arm in arms]
    keys = dict.fromkeys(key for one in flat for key in one if key != "seed")
    lines = []
    for key in keys:
        values = [_short(one[key]) if key in one else "" for one in flat]
        if len(set(values)) > 1:
            lines.append([key, *values])
    lines.append(["seeds", *(_seeds(arm) for arm in arms)])
    return ["setting", *(arm.label for arm in arms)], lines


def commands(found: Sequence[Finished]) -> list[tuple[Path, str | None]]:
    """The line that makes each run again, None where none gives its settings back."""
    with configurations():
        return [(run.folder, command(run.config)) for run in found]


def again(paths: Iterable[Path], run: Finished) -> list[str]:
    """Lines that make this report again, check a run's record, and take a run twice as far."""
    given, folder = shlex.join(map(str, paths)), shlex.quote(str(run.folder))
    further = 2 * (int(run.trajectories.generations[-1]) + 1)
    return [
        f"python scripts/report.py {given}",
        f"python scripts/verify.py {folder}",
        f"python scripts/train.py {shlex.quote(f'resume={run.folder}')} generations={further}",
    ]


def _run(run: Finished) -> list[str]:
    facts, summary = run.config["facts"], run.summary
    hashes = (run.config.get("hash"), facts.get("real_sha256"), facts.get("referee"))
    seconds = f"{summary['wall_s']:.1f} s"
    line = [run.folder.name, *map(_digest, hashes), str(run.config["seed"])]
    return [*line, _short(facts.get("device", summary["device"])), seconds, *_record(run.folder)]


def _record(folder: Path) -> tuple[str, str]:
    """The sha256 of the last generation's manifest, and whether all before it verifies."""
    there = sorted(f for f in (folder / "generations").glob("[0-9]*") if f.name.isdecimal())
    head = manifest.read_manifest(there[-1]).digest if there else None
    if sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) > VERIFIED:
        return _digest(head), "large: not verified here"
    try:
        faults = verify(folder).faults
    except Exception as error:  # a damaged or hostile record may raise anything
        faults = [f"cannot be checked ({type(error).__name__})"]
    return _digest(head), f"faults: {len(faults)}, {faults[0]}" if faults else "all verifies"


def _digest(value: Any) -> str:
    """The first digits of a sha256.

    >>> _digest("0123456789abcdef"), _digest(None)
    ('0123456789ab', 'none')
    """
    return str(value)[:12] if isinstance(value, str) else "none"


def _seeds(arm: Arm) -> str:
    return _short(", ".join(str(seed) for seed in dict.fromkeys(s for s, _ in arm.paired_by)))


def _short(value: Any) -> str:
    text = (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}.. ({len(text)} characters)"
