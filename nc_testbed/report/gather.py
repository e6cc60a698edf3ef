"""The runs at or below some directories: those that are finished, and why others are left out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nc_testbed.core.errors import require
from nc_testbed.record.summary import settings
from nc_testbed.report.finished import Finished, finished

APART = ("chains", "generations", "device", "store", "evaluation.rows")
"""Settings in which runs of the very same chains may differ."""
ALIKE = "its seed and all that decides of its chains are the same (device and precision apart)"


@dataclass(frozen=True)
class Gathered:
    """runs: finished ones, in the order of the paths. left_out: a line for every other one."""

    runs: tuple[Finished, ...]
    left_out: tuple[str, ...]


def gather(paths: Iterable[Path]) -> Gathered:
    """All runs at or below the paths; those with a summary.json are finished.

    A run that repeats another (the same settings, the seed too) is left out: the same chains
    counted twice would make intervals too short. Of two the one with more chains stays, then the
    longer one. Raises BadInput where no finished run is there, or where one is damaged.
    """
    given = list(paths)
    there = [path for path in given if os.path.isdir(path)]  # no name is too long for this
    found = [folder for path in there for folder in _holding(path, "summary.json")]
    folders = list(dict.fromkeys(found))
    require(bool(folders), "runs", " ".join(map(str, given)), "no finished run is there")
    begun = [folder for path in there for folder in _holding(path, "config.yaml")]
    unfinished = [folder for folder in dict.fromkeys(begun) if folder not in folders]
    left_out = [
        f"{folder}: not finished (resume={folder} goes on with it)" for folder in unfinished
    ]
    kept: dict[str, Finished] = {}
    for run in map(finished, folders):
        key = _key(run)
        other = kept.get(key)
        best = run if other is None or _size(run) > _size(other) else other
        if other is not None:
            less = run if best is other else other
            left_out.append(f"{less.folder}: repeats {best.folder}, {ALIKE}")
        kept[key] = best
    return Gathered(tuple(kept.values()), tuple(left_out))


def _holding(path: Path, name: str) -> list[Path]:
    """The folders at or below a path that hold such a file, job 2 of a sweep before job 10."""
    return sorted((file.parent for file in path.rglob(name)), key=_by_number)


def _by_number(path: Path) -> list[tuple[bool, int, str]]:
    """Digits by their value and before all else, other characters as they are.

    >>> sorted(["a", "10_a", "2_a"], key=lambda name: _by_number(Path(name)))
    ['2_a', '10_a', 'a']
    """
    parts = re.findall(r"[0-9]{1,18}|[^0-9]", str(path))
    return [(False, int(x), "") if x.isdecimal() else (True, 0, x) for x in parts]


def _key(run: Finished) -> str:
    """What decides of a chain's results: all settings but how many chains there are."""
    return repr([pair for pair in settings(run.config) if pair[0] not in APART])


def _size(run: Finished) -> tuple[int, int]:
    return run.trajectories.chains, len(run.trajectories.generations)
