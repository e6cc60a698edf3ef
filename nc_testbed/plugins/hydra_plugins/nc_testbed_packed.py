"""The launcher ``packed``: all runs of a sweep in this process, side by side where they
fit.

Hydra makes launchers of its own and of packages named ``hydra_plugins`` alone, so this
one lies in one; :func:`nc_testbed.config.hydra_app.register` tells Python where.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class PackedLauncher(Launcher):
    """Notes every run of the sweep as Hydra's own
    launcher would start it, then makes all."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra's own launcher is to be given."""
        self._context = hydra_context
        self._config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Make all runs; every return holds its run's objective, None without one."""
        from nc_testbed.run.prepare import prepare
        from nc_testbed.sweeps.job import job_of
        from nc_testbed.sweeps.packed_jobs import run_all

        basic: Any = BasicLauncher()
        basic.setup(hydra_context=self._context, config=self._config, task_function=job_of)
        returns = basic.launch(job_overrides, initial_job_idx)
        values = run_all([job.return_value for job in returns], prepare)
        for job, value in zip(returns, values, strict=True):
            job.return_value = value
        return returns
