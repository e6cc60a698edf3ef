"""What earlier starts of a sweep have left: runs that
are whole, and runs with other settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nc_testbed.config.config_file import FREE, load_config, settings_hash
from nc_testbed.config.naming import alike
from nc_testbed.config.settings import of_run
from nc_testbed.record import manifest
from nc_testbed.sweeps.planned_job import PlannedJob

SHOWN = 4
"""Most settings that are named."""


def complete_manifest(path: Path, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest of the finished run of these settings that a directory holds, None
    where it holds none: settings, table and summary are as they were written, and so is
    the manifest of the last generation. No data are read.
    """
    digest = settings_hash(config)
    if not (path / manifest.NAME).is_file():
        return None
    inspection = manifest.inspect(path, None, None, digest)
    content = inspection.manifest
    if content is None or inspection.faults or "summary.json" not in content["files"]:
        return None
    try:
        existing = load_config(path)
    except (OSError, ValueError):
        return None
    if existing is None or existing.get("generations") != config["generations"]:
        return None
    settings = of_run(config)
    last = settings.record.among(settings.generations)[-1]
    generation = manifest.read_manifest(path / "generations" / f"{last:04d}")
    return content if generation.digest == content["parent"] else None


def remarks(jobs: Sequence[PlannedJob]) -> list[str]:
    """A line for every way in which settings differ from those of runs that are there
    under the same name, and for every other version that has made what is taken over."""
    changes: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    places: dict[str, Path] = {}
    now = manifest.writer_versions(None)["nc_testbed"]
    for job in jobs:
        if job.manifest is not None:
            versions[job.manifest["versions"]["nc_testbed"]] += 1
        for other in [] if job.path.is_dir() else alike(job.path.parent, job.path.name):
            change = difference_line(other, job.config)
            changes[change] += 1
            places.setdefault(change, other)
    anew = "made anew, since settings differ from what is there:"
    old = "made with nc_testbed {} and taken over; this is {}"
    return [
        *(
            f"{_runs(n)} {anew} {change} ({places[change].name})"
            for change, n in changes.items()
        ),
        *(f"{_runs(n)} {old.format(v, now)}" for v, n in versions.items() if v != now),
    ]


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"


def difference_line(run: Path, config: Mapping[str, Any]) -> str:
    """How settings differ from those of the run
    in a directory, as ``key: old -> new``."""
    try:
        before = load_config(run)
    except (OSError, ValueError):
        before = None
    if before is None:
        return "its config.yaml is damaged, or missing"
    old = dict(_flat(before))
    new = dict(_flat(config))
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    named = [f"{key}: {old.get(key)} -> {new.get(key)}" for key in keys[:SHOWN]]
    return ", ".join(named + [f"{len(keys) - SHOWN} more"] * (len(keys) > SHOWN))


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of all that decides results; metrics by name alone."""
    for key, value in config.items():
        if not prefix and key in FREE:
            continue
        if isinstance(value, Mapping) and prefix != "metrics.":
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
