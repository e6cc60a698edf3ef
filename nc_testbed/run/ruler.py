"""Data, referee and metrics without a loop: what rows made elsewhere are measured with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nc_testbed.config.build import check_extensions
from nc_testbed.config.settings import Settings, of_run
from nc_testbed.core.errors import require
from nc_testbed.data.real_source import RealSource
from nc_testbed.data.source import Data
from nc_testbed.metrics.control_rows import RUN_CONTROLS
from nc_testbed.metrics.evaluation import Metric, Reference
from nc_testbed.metrics.referee import Plain
from nc_testbed.metrics.referee_store import referee_for
from nc_testbed.run import checks
from nc_testbed.run.control_values import (
    ControlRuler,
    ControlValues,
    controls_key,
    few_rows,
    recall_controls,
)
from nc_testbed.run.prepare import (
    Prepared,
    applicable,
    build_groups,
    evaluation_rows,
    load_data,
    move_data,
    with_rows,
)

MOST_CHAINS = 20
"""A run's controls are measured on its first 20 chains, or on one of every rotation."""


@dataclass(frozen=True)
class Gauge:
    """What rows are measured with: settings that have been checked against the data.

    data: on the device that is computed on. metrics: those that ask no fit. rows: per
    chain.
    """

    settings: Settings
    source: Any
    data: Data
    metrics: dict[str, Metric]
    rows: int

    @property
    def grey(self) -> Tensor | None:
        """The images ``[N, D]`` that the data's pixels were drawn from, None where none
        were drawn."""
        pool = self.source.grey_pool() if isinstance(self.source, RealSource) else None
        return None if pool is None else torch.from_numpy(pool).to(self.data.x.device)

    def reference(self, say: Callable[[str], None]) -> Reference:
        """The real side of the metrics; reads the referee, or trains it and says so."""
        referee = referee_for(self.data, say).to(self.data.x.device)
        return Reference.build(self.data, referee, self.rows)


def prepare_ruler(config: Mapping[str, Any]) -> Gauge:
    """Check data, metrics and evaluation of a configuration; its model and policy are not
    looked at.

    Raises BadInput with the full key.
    """
    settings = of_run(config)
    check_extensions(settings.extensions)
    parts, auto = build_groups(config, settings, ("data",))
    source = with_rows(parts["data"], settings)
    data = load_data(source, settings, fresh=0)
    named = {name: parts[f"metrics.{name}"] for name in config["metrics"] if name != "auto"}
    metrics = applicable(named, auto, data.provides)
    require(bool(metrics), "metrics", list(named), "none can be measured on rows alone")
    rows = settings.evaluation.rows or evaluation_rows(data)
    checks.check_stored(rows, data.space, "evaluation.rows", rows, "give fewer rows, or null")
    Reference.build(data, Plain(), rows)  # refuses too few rows before a referee is trained
    device = checks.device(settings.device)
    return Gauge(settings, source, move_data(data, device), metrics, rows)


def controls_of_run(
    prepared: Prepared, reference: Reference, say: Callable[[str], None]
) -> ControlValues:
    """Controls of a run's data under its metrics; measured where this machine has not
    done so before.

    They are the same for every seed: made of the rows that seed 0 gives the first chains.
    """
    C = 1 if prepared.data.shares is None else prepared.data.shares.shape[1]
    chains = min(prepared.settings.chains, max(MOST_CHAINS, C))
    settings = dataclasses.replace(prepared.settings, chains=chains, seed=0)

    def measure() -> ControlValues:
        data = move_data(load_data(prepared.source, settings, fresh=0), prepared.device)
        stored = Reference.build(data, reference.referee, prepared.evaluation_rows)
        return ControlRuler.of(stored, prepared.metrics, say).measure_each(RUN_CONTROLS)

    key = controls_key(
        prepared.data,
        repr(prepared.source),
        reference.referee.sha256,
        prepared.metrics,
        (chains, prepared.evaluation_rows, prepared.device.type),
    )
    controls = recall_controls(key, measure)
    if controls.rows < prepared.evaluation_rows:
        say(few_rows(controls.rows, prepared.evaluation_rows))
    return controls
