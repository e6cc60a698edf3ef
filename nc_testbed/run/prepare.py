"""From a resolved configuration to a checked run: nothing here writes a file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from nc_testbed.config.build import build_target, check_extensions, of_package
from nc_testbed.config.settings import GROUPS, Settings, of_run, sizes
from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.interfaces import Model, Policy
from nc_testbed.core.machine import ran_out
from nc_testbed.core.space import Space
from nc_testbed.data.source import Data, Source
from nc_testbed.families.estimator import FamilyModel
from nc_testbed.families.source import FamilySource
from nc_testbed.loop.closed_loop import World
from nc_testbed.loop.statistics_loop import Laboratory
from nc_testbed.metrics.evaluation import Metric, Reference, missing
from nc_testbed.metrics.parameters import Parameters
from nc_testbed.metrics.referee import Plain, referee_for
from nc_testbed.run import checks
from nc_testbed.run.rowless import laboratory, why_rows


@dataclass(frozen=True)
class Prepared:
    """A run on rows whose settings have been checked against each other and against its data."""

    settings: Settings
    data: Data
    model: Model
    policy: Policy
    metrics: dict[str, Metric]
    sizes: tuple[int, ...]
    evaluation_rows: int
    device: torch.device

    def world(self, say: Callable[[str], None], scratch: str | None = None) -> World:
        """The loop's world; reads the referee, or trains it and says so.

        scratch: an existing folder for rows that memory does not hold, None = the system's own.
        """
        s = self.settings
        data = _to(self.data, self.device)
        referee = referee_for(self.data, say).to(self.device)
        return World(
            data=data,
            model=self.model,
            policy=self.policy,
            metrics=self.metrics,
            reference=Reference.build(data, referee, self.evaluation_rows),
            sampling=s.sampling,
            seed=s.seed,
            chains=s.chains,
            generations=s.generations,
            sizes=self.sizes,
            budget=s.budget,
            evaluation_rows=self.evaluation_rows,
            compute=checks.compute(s, self.model, self.sizes[1], data.space, self.device, say),
            scratch=scratch,
            recorded=s.record.among(s.generations),
            stream=s.stream,
        )


def prepare(config: Mapping[str, Any]) -> Prepared | Laboratory:
    """Check every key, type, range and combination; read the data, where rows are needed.

    Raises BadInput with the full key. ``config`` holds plain values: the run's settings and the
    groups data, model, policy ({_target_, ...}) and metrics ({name: {_target_, ...}}).
    """
    settings = of_run(config)
    check_extensions(settings.extensions)
    try:
        return _prepared(config, settings)
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        remedy = f"memory ran out before the run began ({error}): give fewer chains or rows (n)"
        raise BadInput("chains", settings.chains, remedy) from None


def _prepared(config: Mapping[str, Any], settings: Settings) -> Prepared | Laboratory:
    """The run, of settings that are right by themselves."""
    built, auto = _built(config, settings)
    source, model, policy = (built[group] for group in GROUPS[:3])
    settings.record.among(settings.generations)  # refuses what lies beyond the run
    checks.check_stream(model, policy, settings)
    metrics = {name: built[f"metrics.{name}"] for name in config["metrics"] if name != "auto"}
    rowless = auto or all(isinstance(m, Parameters) for m in metrics.values())
    reason = why_rows(source, model, policy, settings, rowless)
    if reason is None:
        return laboratory(source, model, policy, settings)
    asked = settings.sampling.draw == "statistics"
    require(not asked, "sampling.draw", "statistics", f"{reason}; give rows, or auto")
    return _on_rows(source, model, policy, metrics, auto, settings)


def _on_rows(
    source: Any,
    model: Any,
    policy: Policy,
    metrics: dict[str, Metric],
    auto: bool,
    settings: Settings,
) -> Prepared:
    """The run that draws every row."""
    if isinstance(source, FamilySource) and source.rows is None:
        drawn = sizes(settings, None)
        space = Space((source.laws()[0][0].size,), image=False)
        checks.check_memory(settings, drawn[0], drawn, space)
        source = dataclasses.replace(source, rows=drawn[0])
    data = _load(source, settings, 0)
    drawn = sizes(settings, data.training.shape[1])
    checks.check_policy(policy, drawn, settings)
    if isinstance(model, FamilyModel):
        model = checks.with_group("model", model.like, data.true_parameters, data.space.size)
        checks.check_family(model, drawn, settings, policy)
    checks.with_group("model", model.check, data.space)
    if isinstance(model, FamilyModel):
        checks.check_rows(model, data.x)
    judged = data.shares is not None or not policy.needs_classifier
    remedy = "it asks for the classes of rows and these data have none"
    require(judged, "policy", type(policy).__name__, remedy)
    fresh = policy.real_row_budget(drawn[1], settings.budget).get("fresh", 0)
    if data.law is not None and fresh:
        data = _load(source, settings, fresh)
    _check_reserve(data, fresh, settings.generations)
    checks.check_memory(settings, data.x.shape[1], drawn, data.space)
    chosen = _applicable(metrics, auto, data, model)
    rows = settings.evaluation.rows or evaluation_rows(data)
    remedy = "give fewer samples, or null"
    checks.check_stored(rows, data.space, "evaluation.rows", rows, remedy)
    Reference.build(data, Plain(), rows)  # refuses too few rows before a referee is trained
    device = checks.device(settings.device)
    checks.compute(settings, model, drawn[1], data.space, device)
    return Prepared(settings, data, model, policy, chosen, drawn, rows, device)


def evaluation_rows(data: Data) -> int:
    """100 / (share of the rarest class), at least 1000: power is what makes an alarm early."""
    if data.shares is None:
        return 1000
    return max(1000, math.ceil(100 / float(data.shares.min())))


def _load(source: Any, settings: Settings, fresh: int) -> Data:
    chains, generations = settings.chains, settings.generations
    return checks.with_group("data", source.load, chains, settings.seed, fresh, generations)


def _check_reserve(data: Data, fresh: int, generations: int) -> None:
    """Refuse a run that needs more never-used real rows than there are."""
    held, later = data.reserve.shape[1], generations - 1
    if fresh * later > held:
        remedy = (
            f"{later} generations need {fresh * later} never-used real rows and the reserve "
            f"holds {held}; the largest k that fits is {held // later}, or raise data.reserve, "
            "or use policy.source=pool"
        )
        raise BadInput("policy.k", fresh, remedy)


def _built(config: Mapping[str, Any], settings: Settings) -> tuple[dict[str, Any], bool]:
    """All that the groups name, by key, and whether all metrics that apply are wanted.

    This package's own first: an extension is imported only once everything else is right.
    """
    metrics = dict(config["metrics"])
    auto = metrics.pop("auto", False)
    require(isinstance(auto, bool), "metrics.auto", auto, "give true or false")
    for name, node in metrics.items():
        remedy = "give the name of a metric: metrics=[recall]"
        require(isinstance(node, Mapping), f"metrics.{name}", node, remedy)
    kinds = dict(zip(GROUPS, (Source, Model, Policy), strict=False))
    nodes: list[tuple[str, Any, Any]] = [(g, config[g], kind) for g, kind in kinds.items()]
    nodes += [(f"metrics.{name}", node, Metric) for name, node in metrics.items()]
    built = {}
    for key, node, kind in sorted(nodes, key=lambda each: not of_package(each[1])):
        built[key] = build_target(node, key, settings.extensions, kind)
    return built, auto


def _applicable(
    metrics: dict[str, Metric], auto: bool, data: Data, model: Model
) -> dict[str, Metric]:
    """The metrics that can be measured; where they were asked for by name, all must be."""
    provides = data.provides | model.provides
    if isinstance(model, FamilyModel) and all(f != model.family() for f, _ in data.true_parameters):
        provides = provides - {"parameters"}  # there is no truth to hold them against
    lacking = {name: missing(metric, provides) for name, metric in metrics.items()}
    for name, lacks in lacking.items():
        remedy = f"cannot apply here, it needs {', '.join(sorted(lacks))}; leave it out"
        require(auto or not lacks, "metrics", name, remedy)
    return {name: metric for name, metric in metrics.items() if not lacking[name]}


def _to(data: Data, device: torch.device) -> Data:
    """The data with every tensor on the device."""
    moved = {
        f.name: getattr(data, f.name).to(device)
        for f in dataclasses.fields(data)
        if isinstance(getattr(data, f.name), torch.Tensor)
    }
    return dataclasses.replace(data, **moved)
