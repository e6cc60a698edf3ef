"""What runs the jobs of a sweep: which extra an
engine needs, and what it must be told."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from typing import Any

from nc_testbed.core.errors import require

EXTRAS = {
    "hydra_plugins.hydra_joblib_launcher": "joblib",
    "hydra_plugins.hydra_submitit_launcher": "slurm",
    "hydra_plugins.hydra_ray_launcher": "ray",
    "hydra_plugins.hydra_optuna_sweeper": "optuna",
}
"""Which extra of this package brings a plugin along."""
OPTUNA = "hydra_plugins.hydra_optuna_sweeper"
QUIET = {"RAY_DEDUP_LOGS": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""Ray shows every line that a job prints, and
reports to nobody; unless the user has said."""
NUMBERS = (
    ("launcher", "n_jobs"),
    ("launcher", "timeout_min"),
    ("sweeper", "n_jobs"),
    ("sweeper", "n_trials"),
)
AT_ONCE = 16
"""Most jobs that are started at once where the engine itself has no limit."""


def check_engine(launch: Mapping[str, Any]) -> None:
    """Raise BadInput, ``hydra/launcher=ray: needs ..``, where an engine is not installed,
    or was given what is no number.

    launch: Hydra's own settings.
    """
    for part in ("launcher", "sweeper"):
        plugin = _plugin(launch[part])
        group = f"hydra/{part}"
        remedy = f"needs pip install 'nc_testbed[{EXTRAS.get(plugin)}]'"
        usable = plugin not in EXTRAS or _is_installed(plugin)
        require(usable, group, launch["runtime.choices"].get(group), remedy)
    for part, name in NUMBERS:
        value = launch[part].get(name, 1)
        is_count = isinstance(value, int) and not isinstance(value, bool)
        in_range = is_count and (value > 0 or (value == -1 and part == "launcher"))
        require(in_range, f"hydra.{part}.{name}", value, "give a whole number > 0")


def is_search(launch: Mapping[str, Any]) -> bool:
    """Whether the jobs are chosen by Optuna as it goes."""
    return _plugin(launch["sweeper"]) == OPTUNA


def runs_apart(launch: Mapping[str, Any]) -> bool:
    """Whether jobs run in processes of their own."""
    return _plugin(launch["launcher"]) in EXTRAS


def check_at_once(launch: Mapping[str, Any], jobs: int) -> None:
    """Refuse what would start every job of a long sweep at once."""
    target = launch["launcher"]["_target_"].rpartition(".")[2]
    batch = launch["sweeper"].get("max_batch_size") or jobs
    remedy = f"starts {min(batch, jobs)} runs at once: give hydra.sweeper.max_batch_size"
    is_bounded = target != "LocalLauncher" or min(batch, jobs) <= AT_ONCE
    require(is_bounded, "hydra/launcher", "submitit_local", remedy)


def set_environment() -> None:
    """Set the variables of the environment that engines read, unless the user has."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def _plugin(node: Mapping[str, Any]) -> str:
    return ".".join(str(node["_target_"]).split(".")[:2])


def _is_installed(plugin: str) -> bool:
    try:
        return importlib.util.find_spec(plugin) is not None
    except ModuleNotFoundError:  # no plugin of Hydra's at all
        return False
