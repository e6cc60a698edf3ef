"""The one finder of runs: which directories below some paths are runs, and which of them
count.

A run is a directory that holds ``config.yaml`` or ``summary.json``; it is finished once
it holds ``summary.json``. What lies inside a run belongs to it and is not searched: a
copy of a run within a run is no run of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nc_testbed.core.errors import require
from nc_testbed.record.summary import settings
from nc_testbed.report.read_run import CONFIG, SUMMARY, FinishedRun, read_run

IRRELEVANT = ("chains", "generations", "device", "store", "evaluation.rows")
"""Settings in which runs of the very same chains may differ."""
SAME_CHAINS = (
    "its seed and all that decides of its chains are the same (device and precision apart)"
)


@dataclass(frozen=True)
class RunFolders:
    """Directories of runs, job 2 of a sweep before job 10."""

    finished: tuple[Path, ...]
    unfinished: tuple[Path, ...]


@dataclass(frozen=True)
class GatheredRuns:
    """Finished runs in their order; ``left_out``: a line for every other run."""

    runs: tuple[FinishedRun, ...]
    left_out: tuple[str, ...]


def is_finished(folder: Path) -> bool:
    """Whether a run's directory holds all that the run is to write."""
    return os.path.isfile(folder / SUMMARY)  # False, not an error, for a name that is too long


def find_runs(paths: Iterable[Path]) -> RunFolders:
    """The runs at or below the paths, each once.

    Raises BadInput (``runs``) where none of them is finished.
    """
    searched = list(paths)
    folders = dict.fromkeys(folder for path in searched for folder in _runs_below(path))
    finished = tuple(folder for folder in folders if is_finished(folder))
    require(bool(finished), "runs", " ".join(map(str, searched)), "no finished run is there")
    return RunFolders(finished, tuple(folder for folder in folders if folder not in finished))


def gather_runs(paths: Iterable[Path]) -> GatheredRuns:
    """The finished runs at or below the paths, read, without those that repeat another.

    A run repeats another if their settings are the same, the seed too: the same chains
    counted twice would make intervals too short. Of two, the one with more chains stays,
    then the longer one. Raises BadInput where no finished run is there, or where one is
    damaged.
    """
    folders = find_runs(paths)
    left_out = [
        f"{folder}: not finished (resume={folder} goes on with it)"
        for folder in folders.unfinished
    ]
    runs: dict[str, FinishedRun] = {}
    for folder in folders.finished:
        run = read_run(folder)
        key = _settings_key(run)
        other = runs.get(key)
        if other is None:
            runs[key] = run
            continue
        longer = run if _size(run) > _size(other) else other
        shorter = other if longer is run else run
        left_out.append(f"{shorter.folder}: repeats {longer.folder}, {SAME_CHAINS}")
        runs[key] = longer
    return GatheredRuns(tuple(runs.values()), tuple(left_out))


def _runs_below(path: Path) -> list[Path]:
    """The runs at or below one path, in the order of their numbers."""
    return sorted(_walk(path), key=_number_order)


def _walk(path: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(path):
        if CONFIG in files or SUMMARY in files:
            folders.clear()  # what lies inside a run is not searched
            yield Path(parent)


def _number_order(path: Path) -> list[tuple[bool, int, str]]:
    """A key that sorts digits by their value and before all else.

    >>> sorted(["a", "10_a", "2_a"], key=lambda name: _number_order(Path(name)))
    ['2_a', '10_a', 'a']
    """
    parts = re.findall(r"[0-9]{1,18}|[^0-9]", str(path))
    return [(False, int(x), "") if x.isdecimal() else (True, 0, x) for x in parts]


def _settings_key(run: FinishedRun) -> str:
    """What decides of a chain's results: all settings but how many chains there are."""
    return repr([pair for pair in settings(run.config) if pair[0] not in IRRELEVANT])


def _size(run: FinishedRun) -> tuple[int, int]:
    """Numbers of chains and of recorded generations."""
    return run.trajectories.chains, len(run.trajectories.generations)
