"""From a resolved configuration to a checked run: nothing here writes a file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nc_testbed.config.build import build_target, check_extensions, of_package
from nc_testbed.config.settings import GROUPS, Settings, of_run, sizes
from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.interfaces import Model, Policy
from nc_testbed.core.machine import Compute, ran_out
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.source import Data, Source
from nc_testbed.families.estimator import FamilyModel
from nc_testbed.families.family_source import FamilySource
from nc_testbed.loop.run import LoopStore, Run
from nc_testbed.metrics.evaluation import Metric, Reference, missing
from nc_testbed.metrics.parameters import Parameters
from nc_testbed.metrics.referee import RELIABLE, Plain, Referee
from nc_testbed.metrics.referee_store import referee_for
from nc_testbed.run import checks


@dataclass(frozen=True)
class Prepared:
    """A run whose settings have been checked against each other and against its data.

    store: whether the run keeps rows or sufficient statistics. source: of the data. data:
    the law alone, without rows, where sufficient statistics are kept. evaluation_rows:
    samples per chain that metrics draw, 0 where none do.
    """

    settings: Settings
    store: type[LoopStore]
    source: Any
    data: Data
    model: Model
    policy: Policy
    metrics: dict[str, Metric]
    sizes: tuple[int, ...]
    evaluation_rows: int
    compute: Compute
    device: torch.device

    @property
    def stored_generations(self) -> Sequence[int]:
        """The generations that the record keeps, ascending."""
        T = self.settings.generations
        return self.store.stored_generations(T, self.settings.record.among(T))

    def run(self, say: Callable[[str], None], scratch: str | None = None) -> Run:
        """What the loop takes; reads the referee, or trains it and says so.

        scratch: an existing folder for rows that memory does not hold, None = the
        system's own.
        """
        settings = self.settings
        say_constant(self.data, say)
        data = move_data(self.data, self.device)
        reference = self._reference(data, say)
        return Run(
            store=self.store,
            data=data,
            model=self.model,
            policy=self.policy,
            metrics=self._measurable(reference, say),
            reference=reference,
            sampling=settings.sampling,
            seed=settings.seed,
            chains=settings.chains,
            generations=settings.generations,
            sizes=self.sizes,
            budget=settings.budget,
            evaluation_rows=self.evaluation_rows,
            compute=dataclasses.replace(self.compute, say=say),
            scratch=scratch,
            recorded=settings.record.among(settings.generations),
            stream=settings.stream,
        )

    def _reference(self, data: Data, say: Callable[[str], None]) -> Reference:
        """The real side of the metrics; data: on the run's device."""
        if self.evaluation_rows == 0:  # no held-out row is compared with
            return Reference(data, Plain(), 0, RandomStreams(0, (), device=self.device))
        referee = referee_for(self.data, say).to(self.device)
        reference = Reference.build(data, referee, self.evaluation_rows)
        if not isinstance(referee, Referee) or data.held_out_y is None:
            return reference
        accuracy = reference.accuracy(data.held_out_y)
        if accuracy >= RELIABLE:
            return reference
        say(
            f"the referee is right on {accuracy:.1%} of held-out rows: below {RELIABLE:.0%} no "
            "class is told apart, and rows are measured as if they had no labels"
        )
        return Reference.build(data.without_labels(), referee, self.evaluation_rows)

    def _measurable(
        self, reference: Reference, say: Callable[[str], None]
    ) -> dict[str, Metric]:
        """The metrics, less those that need classes which the referee cannot tell apart."""
        provides = self.model.provides | reference.data.provides | {"parameters"}
        rests = {name for name, metric in self.metrics.items() if missing(metric, provides)}
        if rests:
            say(f"left out, since they rest on the referee: {', '.join(sorted(rests))}")
        return {name: m for name, m in self.metrics.items() if name not in rests}


def say_constant(data: Data, say: Callable[[str], None]) -> None:
    """Say once which columns of the real training rows never vary."""
    units: Any = data.record.get("standardized", {})
    columns = units.get("constant_columns", [])
    if not columns:
        return
    names = ", ".join(map(str, columns[:5])) + (", .." if len(columns) > 5 else "")
    never = "column never varies" if len(columns) == 1 else "columns never vary"
    say(
        f"{data.name}: {len(columns)} {never} ({names}, counted from 0): a point mass, "
        "left out of log_spread and of a mixture's log_variance"
    )


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Check every key, type, range and combination; read the data, where rows are needed.

    Raises BadInput with the full key. ``config`` holds plain values: the run's settings
    and the groups data, model, policy ({_target_, ...}) and metrics ({name: {_target_,
    ...}}).
    """
    settings = of_run(config)
    check_extensions(settings.extensions)
    try:
        return _check_run(config, settings)
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        remedy = f"memory ran out before the run began ({error}): give fewer chains or rows (n)"
        raise BadInput("chains", settings.chains, remedy) from None


def _check_run(config: Mapping[str, Any], settings: Settings) -> Prepared:
    """The run, of settings that are right by themselves."""
    parts, auto = build_groups(config, settings)
    source, model, policy = (parts[group] for group in GROUPS[:3])
    settings.record.among(settings.generations)  # refuses what lies beyond the run
    checks.check_stream(model, policy, settings)
    metrics = {name: parts[f"metrics.{name}"] for name in config["metrics"] if name != "auto"}
    without_rows = auto or all(isinstance(m, Parameters) for m in metrics.values())
    reason = checks.needs_rows(source, model, policy, settings, without_rows)
    if reason is None:
        return _on_statistics(source, model, policy, settings)
    by_name = settings.sampling.draw == "statistics"
    require(not by_name, "sampling.draw", "statistics", f"{reason}; give rows, or auto")
    return _on_rows(source, model, policy, metrics, auto, settings)


def _on_statistics(
    source: FamilySource, model: FamilyModel, policy: Policy, settings: Settings
) -> Prepared:
    """The run that draws sufficient statistics."""
    from nc_testbed.loop.statistic_store import (
        StatisticStore,
        law_data,
    )  # few runs draw them

    laws = source.laws()
    model = model.like(laws, laws[0][0].size)
    family = model.family()
    n = sizes(settings, source.rows)
    checks.check_policy(policy, n, settings)
    checks.check_family(model, n, settings, policy)
    device = checks.law_device(family, policy, n, settings)
    truth = next(truth for other, truth in laws if other == family)
    return Prepared(
        settings,
        store=StatisticStore,
        source=source,
        data=law_data(family, truth, settings.chains, device),
        model=model,
        policy=policy,
        metrics={"parameters": Parameters()},
        sizes=n,
        evaluation_rows=0,
        compute=Compute(),
        device=device,
    )


def _on_rows(
    source: Any,
    model: Any,
    policy: Policy,
    metrics: dict[str, Metric],
    auto: bool,
    settings: Settings,
) -> Prepared:
    """The run that draws every row."""
    from nc_testbed.loop.row_store import RowStore  # not for runs on statistics

    source = with_rows(source, settings)
    data = load_data(source, settings, fresh=0)
    n = sizes(settings, data.training.shape[1])
    checks.check_policy(policy, n, settings)
    model = checks.check_model(model, data, n, settings, policy)
    checks.check_classes(policy, data)
    fresh = policy.real_row_budget(n[1], settings.budget).get("fresh", 0)
    if data.law is not None and fresh:
        data = load_data(source, settings, fresh)
    checks.check_reserve(data, fresh, settings.generations)
    checks.check_memory(settings, data.x.shape[1], n, data.space)
    metrics = applicable(metrics, auto, _provides(data, model))
    rows = settings.evaluation.rows or evaluation_rows(data)
    remedy = "give fewer samples, or null"
    checks.check_stored(rows, data.space, "evaluation.rows", rows, remedy)
    Reference.build(data, Plain(), rows)  # refuses too few rows before a referee is trained
    device = checks.device(settings.device)
    compute = checks.compute(settings, model, n[1], data.space, device)
    return Prepared(
        settings,
        store=RowStore,
        source=source,
        data=data,
        model=model,
        policy=policy,
        metrics=metrics,
        sizes=n,
        evaluation_rows=rows,
        compute=compute,
        device=device,
    )


def with_rows(source: Any, settings: Settings) -> Any:
    """A source that knows its number of rows;
    where a law draws them, ``n`` says how many."""
    if not isinstance(source, FamilySource) or source.rows is not None:
        return source
    n = sizes(settings, None)
    space = Space((source.laws()[0][0].size,), image=False)
    checks.check_memory(settings, n[0], n, space)
    return dataclasses.replace(source, rows=n[0])


def evaluation_rows(data: Data) -> int:
    """100 / (share of the rarest class), at least
    1000: power is what makes an alarm early."""
    if data.shares is None:
        return 1000
    return max(1000, math.ceil(100 / float(data.shares.min())))


def load_data(source: Any, settings: Settings, fresh: int) -> Data:
    arguments = (settings.chains, settings.seed, fresh, settings.generations)
    return checks.with_group("data", source.load, *arguments)


def build_groups(
    config: Mapping[str, Any], settings: Settings, groups: Sequence[str] = GROUPS[:3]
) -> tuple[dict[str, Any], bool]:
    """All metrics and all that these groups name, by key, and whether all metrics that
    apply are asked for.

    This package's own first: an extension is imported only once everything else is right.
    """
    metrics = dict(config["metrics"])
    auto = metrics.pop("auto", False)
    require(isinstance(auto, bool), "metrics.auto", auto, "give true or false")
    for name, node in metrics.items():
        remedy = "give the name of a metric: metrics=[recall]"
        require(isinstance(node, Mapping), f"metrics.{name}", node, remedy)
    kinds = dict(zip(GROUPS, (Source, Model, Policy), strict=False))
    nodes: list[tuple[str, Any, Any]] = [(g, config[g], kinds[g]) for g in groups]
    nodes += [(f"metrics.{name}", node, Metric) for name, node in metrics.items()]
    parts = {}
    for key, node, kind in sorted(nodes, key=lambda entry: not of_package(entry[1])):
        parts[key] = build_target(node, key, settings.extensions, kind)
    return parts, auto


def _provides(data: Data, model: Model) -> frozenset[str]:
    """What data and model offer to metrics."""
    provides = data.provides | model.provides
    if isinstance(model, FamilyModel) and all(
        f != model.family() for f, _ in data.true_parameters
    ):
        provides = provides - {"parameters"}  # there is no truth to hold them against
    return provides


def applicable(
    metrics: dict[str, Metric], auto: bool, provides: frozenset[str]
) -> dict[str, Metric]:
    """The metrics that can be measured; where
    they were asked for by name, all must be."""
    lacking = {name: missing(metric, provides) for name, metric in metrics.items()}
    for name, lacks in lacking.items():
        remedy = f"cannot apply here, it needs {', '.join(sorted(lacks))}; leave it out"
        require(auto or not lacks, "metrics", name, remedy)
    return {name: metric for name, metric in metrics.items() if not lacking[name]}


def move_data(data: Data, device: torch.device) -> Data:
    """The data with every tensor on the device."""
    moved = {
        f.name: getattr(data, f.name).to(device)
        for f in dataclasses.fields(data)
        if isinstance(getattr(data, f.name), torch.Tensor)
    }
    return dataclasses.replace(data, **moved)
