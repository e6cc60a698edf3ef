"""A sweep as its command line asks for it: every job composed, nothing created."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_testbed.config.compose import compose_run
from nc_testbed.config.overrides import (
    Override,
    job_overrides,
    line_of,
    quote_text,
    shared_overrides,
    sweeper_overrides,
)
from nc_testbed.core.errors import require
from nc_testbed.sweeps import engines
from nc_testbed.sweeps.objective import objective_of
from nc_testbed.sweeps.planned_job import PlannedJob


@dataclass(frozen=True)
class Sweep:
    """A sweep before it starts.

    folder: where its jobs' directories lie. words: the overrides that Hydra is given.
    name: that of its experiment. jobs: all of them; of a search, which chooses them as it
    goes, those at both ends of its intervals. total: runs that will be made. direction:
    of a search, ``minimize`` or ``maximize``. apart: whether jobs run in processes of
    their own.
    """

    folder: Path
    words: list[str]
    name: str
    jobs: list[PlannedJob]
    total: int
    direction: str | None
    apart: bool


def plan_sweep(words: Sequence[Override], search: Sequence[str]) -> Sweep:
    """The sweep of a command line; search: where more configuration files lie.

    Raises BadInput for what cannot be composed, a sweep that is too long, and an engine
    that is not installed.
    """
    composition = compose_run(
        [line_of(override) for override in shared_overrides(words)], search
    )
    launch = composition.launch
    engines.check_engine(launch)
    is_search = engines.is_search(launch)
    remedy = "a search needs one: objective={metric: tail_coverage}"
    has_objective = composition.config["objective"] is not None
    require(not is_search or has_objective, "objective", None, remedy)
    everything = [*sweeper_overrides(launch), *words]
    folder = Path(os.path.abspath(launch["sweep.dir"]))
    not_swept = ",".join(
        quote_text(override.key_or_group) for override in shared_overrides(everything)
    )
    places = [
        f"hydra.sweep.dir={quote_text(str(folder))}",
        f"hydra.job.config.override_dirname.exclude_keys=[{not_swept}]",
    ]
    words_of_jobs = job_overrides(everything, is_search)
    jobs = [_plan_job([*job, *places], search, folder) for job in words_of_jobs]
    total = launch["sweeper"]["n_trials"] if is_search else len(jobs)
    engines.check_at_once(launch, total)
    return Sweep(
        folder=folder,
        words=[*map(line_of, words), *places],
        name=composition.experiment or "figure",
        jobs=jobs,
        total=total,
        direction=str(launch["sweeper"]["direction"]) if is_search else None,
        apart=engines.runs_apart(launch),
    )


def _plan_job(overrides: Sequence[str], search: Sequence[str], folder: Path) -> PlannedJob:
    composition = compose_run(overrides, search)
    config, study = composition.split()
    path = folder / str(composition.launch["sweep.subdir"])
    objective = objective_of(study["objective"])
    if objective is not None:
        objective.check(config)
    return PlannedJob(config, study, path, _manifest(path, config))


def _manifest(path: Path, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest of the finished run of these
    settings that lies there, None without one."""
    if not path.is_dir():
        return None
    from nc_testbed.sweeps.finished_jobs import (
        complete_manifest,
    )  # torch: only where there are runs

    return complete_manifest(path, config)
