"""A sweep as its command line asks for it: every job composed, nothing created."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_testbed.config.compose import STUDY, launched
from nc_testbed.config.sweep_overrides import Override, fixed, jobs, of_sweeper
from nc_testbed.core.errors import require
from nc_testbed.sweeps import engines
from nc_testbed.sweeps.objective import objective_of
from nc_testbed.sweeps.planned_job import Planned


@dataclass(frozen=True)
class Sweep:
    """A sweep before it starts.

    folder: where its jobs' directories lie. places: the overrides that say so to Hydra. name: that
    of its experiment. jobs: all of them; of a search, which chooses them as it goes, those at both
    ends of its intervals. total: runs that will be made. direction: of a search, ``minimize`` or
    ``maximize``. apart: whether jobs run in processes of their own.
    """

    folder: Path
    places: list[str]
    name: str
    jobs: list[Planned]
    total: int
    direction: str | None
    apart: bool


def planned(words: Sequence[Override], find: Sequence[str]) -> Sweep:
    """The sweep of a command line; find: where its configuration files lie.

    Raises BadInput for what cannot be composed, a sweep that is too long, and an engine that is
    not installed.
    """
    shared = [str(override.input_line) for override in fixed(words)]
    config, launch = launched(shared, find)
    engines.check(launch)
    search = engines.search(launch)
    remedy = "a search needs one: objective={metric: tail_recall}"
    require(not search or config["objective"] is not None, "objective", None, remedy)
    everything = [*of_sweeper(launch), *words]
    folder = Path(os.path.abspath(launch["sweep.dir"]))
    left_out = ",".join(quoted(override.key_or_group) for override in fixed(everything))
    places = [
        f"hydra.sweep.dir={quoted(str(folder))}",
        f"hydra.job.config.override_dirname.exclude_keys=[{left_out}]",
    ]
    listed = [_planned([*job, *places], find, folder) for job in jobs(everything, search)]
    total = launch["sweeper"]["n_trials"] if search else len(listed)
    engines.check_at_once(launch, total)
    name = launch["runtime.choices"].get("experiment") or "figure"
    direction = str(launch["sweeper"]["direction"]) if search else None
    return Sweep(folder, places, name, listed, total, direction, engines.apart(launch))


def _planned(overrides: Sequence[str], find: Sequence[str], folder: Path) -> Planned:
    config, launch = launched(overrides, find)
    study = {key: config.pop(key) for key in STUDY}
    path = folder / str(launch["sweep.subdir"])
    objective = objective_of(study["objective"])
    if objective is not None:
        objective.check(config)
    return Planned(config, study, path, _found(path, config))


def _found(path: Path, config: Mapping[str, Any]) -> dict[str, Any] | None:
    if not path.is_dir():
        return None
    from nc_testbed.sweeps.finished_jobs import (
        whole,  # torch, for versions: only where there are runs
    )

    return whole(path, config)


def quoted(text: str) -> str:
    r"""A text as Hydra reads it back.

    >>> print(quoted(r"it's \ here"))
    'it\'s \ here'
    """
    return "'" + text.replace("'", "\\'") + "'"
