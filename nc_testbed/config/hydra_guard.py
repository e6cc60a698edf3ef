"""What of Hydra's own settings may be changed: none that run code or write outside a run.

Hydra imports and calls what ``hydra.callbacks``, ``hydra.launcher``, ``hydra.sweeper`` and its two
logging nodes name, before a run's own settings are looked at. Its list of forbidden names is short;
here is a list of allowed ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nc_testbed.config.output_dir import output
from nc_testbed.core.errors import require

PLUGINS = {
    "launcher": (
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "hydra_plugins.nc_testbed_packed.PackedLauncher",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
        "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher",
    ),
    "sweeper": (
        "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
        "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper",
    ),
}
"""Who may start the jobs of a sweep, and choose them."""
INNER = re.compile(r"optuna\.(samplers|pruners)\.[A-Z]\w*")
"""What a sweeper may be made of."""
LOGS = ("logging.StreamHandler", "logging.FileHandler", "colorlog.ColoredFormatter")
LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")
LOGFILE = "${hydra.runtime.output_dir}/${hydra.job.name}.log"
NEEDED = (
    "callbacks", "launcher", "sweeper", "job_logging", "hydra_logging", "output_subdir",
    "job.name", "run.dir", "sweep.dir", "sweep.subdir", "verbose", "sweeper.max_batch_size",
    "runtime.choices",
)  # fmt: skip
"""The keys that :func:`check_hydra` and :mod:`nc_testbed.sweeps` look at."""


def check_hydra(values: Mapping[str, Any], *roots: Path) -> None:
    """Raise BadInput for what could run code or write where nobody looks.

    values: the keys of ``NEEDED``; the logging nodes as written, the others resolved. roots: where
    relative output directories may lead beside the working directory.
    """
    remedy = "callbacks are code that Hydra calls: leave them out"
    require(not values["callbacks"], "hydra.callbacks", values["callbacks"], remedy)
    for part, allowed in PLUGINS.items():
        _check_plugin(f"hydra.{part}", values[part], allowed)
    for part in ("job_logging", "hydra_logging"):
        _check_logging(f"hydra.{part}", values[part])
    verbose, names = values["verbose"], "give true, false, or names of loggers"
    listed = verbose if isinstance(verbose, list) else [verbose]
    fits = isinstance(verbose, bool) or all(isinstance(name, str) for name in listed)
    require(fits, "hydra.verbose", verbose, names)
    batch = values["sweeper.max_batch_size"]
    fits = batch is None or (isinstance(batch, int) and (batch == -1 or batch > 0))
    require(fits, "hydra.sweeper.max_batch_size", batch, "give at least 1 run at once, or null")
    for part in ("job.name", "output_subdir"):
        name, plain = values[part], "give a plain name, without a directory"
        fits = name is None or (str(name) not in (".", "..", "") and not re.search(r"[/\0]", name))
        require(fits and len(str(name)) < 200, f"hydra.{part}", name, plain)
    output("hydra.run.dir", str(values["run.dir"]), *roots)
    sweep = output("hydra.sweep.dir", str(values["sweep.dir"]), *roots)
    job = sweep / str(values["sweep.subdir"])
    absolute = Path(str(values["sweep.subdir"])).is_absolute()
    inside = absolute or job.resolve().is_relative_to(sweep.resolve())
    remedy = "leads out of hydra.sweep.dir: give an absolute path to mean it"
    require(inside, "hydra.sweep.subdir", values["sweep.subdir"], remedy)
    output("hydra.sweep.subdir", job)


def _check_plugin(key: str, node: Any, allowed: tuple[str, ...]) -> None:
    known = ", ".join(name.rpartition(".")[2] for name in allowed)
    targets = list(_named(node, ("_target_",)))
    target = node.get("_target_") if isinstance(node, Mapping) else node
    require(target in allowed, f"{key}._target_", target, f"use one of ({known})")
    for name in targets:
        fits = name == target or (isinstance(name, str) and INNER.fullmatch(name) is not None)
        require(fits, f"{key}._target_", name, "name a sampler or pruner of optuna")
    for name in _named(node, ("custom_search_space",)):
        remedy = "is code that the sweeper calls: leave it out"
        require(name is None, f"{key}.custom_search_space", name, remedy)


def _check_logging(key: str, node: Any) -> None:
    version = node.get("version", 1) if isinstance(node, Mapping) else 1
    require(version == 1, f"{key}.version", version, "give 1")
    for level in _named(node, ("level",)):
        fits = level in (None, *LEVELS) or (isinstance(level, int) and not isinstance(level, bool))
        require(fits, f"{key}.level", level, f"use one of ({', '.join(LEVELS)})")
    remedy = f"logs are made of {', '.join(LOGS)} alone"
    for name in _named(node, ("class", "()")):
        require(name in LOGS, f"{key}.class", name, remedy)
    for name in _named(node, ("filename",)):
        require(name == LOGFILE, f"{key}.filename", name, "a log lies in its run's directory")
    for text in _named(node, None):
        where = re.match(r"(ext|cfg)://", text) if isinstance(text, str) else None
        fits = where is None or text in ("ext://sys.stdout", "ext://sys.stderr")
        require(fits, key, text, "give ext://sys.stdout or ext://sys.stderr")


def _named(node: Any, keys: tuple[str, ...] | None) -> Iterator[Any]:
    """Every value with one of these keys at any depth of a node, or every single value."""
    listed = enumerate(node) if isinstance(node, list) else ()
    for key, value in node.items() if isinstance(node, Mapping) else listed:
        if keys is not None and key in keys:
            yield value
        if isinstance(value, Mapping | list):
            yield from _named(value, keys)
        elif keys is None:
            yield value
