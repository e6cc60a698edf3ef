"""The runs that claims rest on: each is made once, and resumed if interrupted."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_testbed.config.compose import STUDY, compose_config
from nc_testbed.config.config_file import settings_hash
from nc_testbed.core.errors import BadInput
from nc_testbed.report.find_runs import is_finished
from nc_testbed.run.execute import execute
from nc_testbed.run.prepare import prepare


@dataclass(frozen=True)
class ClaimRun:
    """One run: what its command line says, its checked settings, and where it lies."""

    overrides: tuple[str, ...]
    config: dict[str, Any]
    path: Path

    @property
    def command(self) -> str:
        """The line that makes this run alone."""
        return shlex.join(["python", "scripts/train.py", *self.overrides])


def plan_run(overrides: Sequence[str], folder: Path) -> ClaimRun:
    """The run of these overrides, every setting checked; nothing is created.

    Its directory is named by its settings, so claims that ask for the same run share it.
    Raises BadInput as ``scripts/train.py`` would. Call it within
    ``compose.configurations``.
    """
    config = {
        key: value for key, value in compose_config(overrides).items() if key not in STUDY
    }
    name = f"{settings_hash(config)[:12]}-{config['generations']}"
    return ClaimRun(tuple(overrides), config, folder / name)


def check_runs(runs: Iterable[ClaimRun]) -> None:
    """Refuse the first run that could not be made, before any is."""
    for run in runs:
        try:
            prepare(run.config)
        except BadInput as error:
            raise BadInput(error.key, error.value, f"{error.remedy} ({run.command})") from None


def make_runs(runs: Sequence[ClaimRun], say: Callable[[str], None]) -> None:
    """Make the runs that are not finished, one after the other; each tells of itself in
    its own ``log.txt``, and ``say`` of every one that is done."""
    for i, run in enumerate(runs, start=1):
        start = time.monotonic()
        if not is_finished(run.path):
            run.path.mkdir(parents=True, exist_ok=True)
            with (
                open(run.path / "log.txt", "w") as log,
                contextlib.redirect_stdout(log),
            ):
                execute(prepare(run.config), run.config, run.path)
        seconds = time.monotonic() - start
        say(f"run {i}/{len(runs)}  {seconds:5.1f} s  {' '.join(run.overrides)}")
