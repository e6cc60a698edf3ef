"""What a command line asks for: composed, and every run prepared, before anything is created."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nc_testbed.config.compose import HOME, STUDY, composed, configurations, parse
from nc_testbed.config.settings import of_run
from nc_testbed.config.sweep_overrides import added, several
from nc_testbed.core.errors import require
from nc_testbed.core.safe_yaml import check_folder
from nc_testbed.sweeps.planned import Sweep, planned


def searched(overrides: Sequence[str], config_dir: str | None) -> list[str]:
    """A folder of the user's as an override, once all that lies in it has been checked."""
    for override in parse(overrides):
        remedy = "use --config-dir, the folder that holds your groups"
        searched = override.key_or_group.startswith("hydra.searchpath")
        require(not searched, "hydra.searchpath", override.input_line, remedy)
    if config_dir is None:
        return []
    check_folder(config_dir, "--config-dir")
    path = str(Path(config_dir).resolve())
    return [f"hydra.searchpath=['file://{path.replace(chr(39), chr(92) + chr(39))}']"]


def check(
    overrides: Sequence[str], multirun: bool, config_dir: str | None = None
) -> tuple[list[str], Sweep | None]:
    """Compose and prepare every job of a command line that is not done; nothing is created.

    Returns what the chosen experiment adds to the overrides, and the sweep, None for a single run.
    Raises BadInput naming key, value and remedy.
    """
    search = searched(overrides, config_dir)
    with configurations():
        parsed = parse(overrides)
        swept = added(parsed, search)
        words = [*parsed, *parse(swept)]
        if several(parsed, swept, multirun):
            sweep = planned(words, search)
            _check_sweep(sweep)
            return swept, sweep
        config = composed([str(override.input_line) for override in words], search)
        _check_figure(config["figure"])
        path = next((o.value() for o in parsed if o.key_or_group == "hydra.run.dir"), None)
        settings = {key: value for key, value in config.items() if key not in STUDY}
        _check_room(settings, 0, _folder(path), None if path is None else Path(str(path)))
        return swept, None


def _check_sweep(sweep: Sweep) -> None:
    """Check every job that is not done, and whether there is room for all."""
    needed, times = 0, sweep.total / len(sweep.jobs)
    for job in sweep.jobs:
        if job.found is None:
            _check_figure(job.study["figure"])
            needed = _check_room(job.config, needed, sweep.folder, None, times)


def _check_room(
    config: dict[str, Any], needed: float, folder: Path, path: Path | None, times: float = 1
) -> float:
    """Prepare a run and add what it will write, so many times, to what is needed already."""
    settings = of_run(config)
    run = prepared(config, path)
    from nc_testbed.run.disk_estimate import check_room, need  # torch: not before it is needed

    needed += times * need(run)
    check_room(int(needed), settings.generations, folder)
    return needed


def _folder(path: Any) -> Path:
    """The directory that is asked for, or one that is still to be made where runs go."""
    asked = str(HOME / "outputs" / "${}" if path is None else path)
    return Path(asked.split("${")[0] + "new" if "${" in asked else asked)


def _check_figure(figure: Any) -> None:
    if figure is not None:
        from nc_testbed.report.study import check  # matplotlib: only for a study

        check(figure)


def prepared(config: dict[str, Any], path: Path | None = None) -> Any:
    """The checked run; the last one is kept, since a single run is checked before it starts."""
    # torch and all that needs it: not for a wrong name or range, a help page or a completion.
    from nc_testbed.run.prepare import prepare

    if config["extensions"] and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    key = repr(config)
    if key not in _prepared:
        _prepared.clear()
        _prepared[key] = prepare(config)
    if path is not None:
        from nc_testbed.run.execute import (
            check_directory,  # TensorBoard: only for a given directory
        )

        check_directory(path, config)
    return _prepared[key]


_prepared: dict[str, Any] = {}
