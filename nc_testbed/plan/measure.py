"""Generations 0 and 1 under replace, and the same metric on real rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nc_testbed.families.family import Family
from nc_testbed.families.family import Parameters as Values
from nc_testbed.loop import World, closed_loop
from nc_testbed.loop import measure as remeasured
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.parameters import Parameters
from nc_testbed.models.family import FamilyModel
from nc_testbed.parallel import one_thread
from nc_testbed.plan.exact import Exact, class_shares, exact
from nc_testbed.plan.question import Question, Request
from nc_testbed.run.families import HEADLINES, headline
from nc_testbed.run.prepare import Prepared, prepare
from nc_testbed.settings import nearest
from nc_testbed.statistics_loop import Laboratory, statistics_loop
from nc_testbed.types import Generation, require

MANY = 2000
"""Chains by default where statistics are drawn: they cost next to nothing."""
FITTED = frozenset({"likelihood", "exact", "parameters"})
"""What a metric needs that asks the fit and not its samples: real rows have no value of it."""


@dataclass(frozen=True)
class Measured:
    """What one generation under replace showed.

    metric: its column. groups: the metrics that give it, as ``metrics=[..]`` names them. n, n0:
    rows per refit and of generation 0. x0, x1: the metric ``[R]`` in generations 0 and 1. truth:
    ``[R]`` of real rows or of the true parameters, None where it is unknown. share: of the
    rarest class, None without classes. exact: the law of a family's metric. rows: per chain that
    metrics draw, None of a family. reserve: never-used rows, None = no end. statistics: whether
    rows were not drawn. rarest: the class of that share in a family's fit. own_noise: variance of
    the metric over sets of rows drawn from one fit.
    """

    metric: str
    groups: tuple[str, ...]
    n: int
    n0: int
    x0: NDArray[np.float64]
    x1: NDArray[np.float64]
    truth: NDArray[np.float64] | None
    share: float | None
    exact: Exact | None
    rows: int | None
    reserve: int | None
    statistics: bool
    rarest: int = 0
    own_noise: float = 0.0

    @property
    def chains(self) -> int:
        """R."""
        return len(self.x0)

    @property
    def changes(self) -> NDArray[np.float64]:
        """``x1 - x0`` ``[R]``, paired by chain."""
        return self.x1 - self.x0

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Generation 0 less the truth ``[R]``; less its own mean where the truth is unknown."""
        return self.x0 - (self.x0.mean() if self.truth is None else self.truth)


def measure(asked: Request) -> Measured:
    """Run generations 0 and 1 under replace and measure the asked metric.

    Raises BadInput where the settings, the metric or the numbers of rows cannot be served.
    """
    config = asked.config("policy=replace", "generations=2")
    equal = "a plan is for equal numbers of rows in all generations: give one number"
    require(not isinstance(config["n"], list | dict), "n", config["n"], equal)
    made = prepare(_plain(config))
    if isinstance(made, Laboratory):
        chains = made.chains if asked.chains_given else MANY
        lab = dataclasses.replace(made, chains=chains)
        require(chains >= 2, "chains", chains, "intervals need at least 2 chains")
        return _finite(_of_statistics(lab, asked.question))
    chains = made.settings.chains
    require(chains >= 2, "chains", chains, "intervals need at least 2 chains")
    return _finite(_of_rows(made, asked.question))


def _of_statistics(lab: Laboratory, question: Question) -> Measured:
    """A family whose rows are not drawn; its truth is known."""
    family = lab.model.family()
    truths = family.columns(lab.truth, lab.truth)
    metric = question.metric or _of_family(truths)
    require(metric in truths, "metric", metric, nearest(metric, truths))
    first, second = (g.record[metric].numpy() for g in statistics_loop(lab))
    truth = {name: value[0].numpy() for name, value in lab.truth.items()}
    n0, n = lab.sizes[:2]
    shares = class_shares(truth)
    return Measured(
        metric,
        ("parameters",),
        n,
        n0,
        first,
        second,
        np.full(lab.chains, float(truths[metric][0])),
        None if shares is None else float(shares.min()),
        exact(lab.model, truth, metric, n, n0, lab.temperature),
        rows=None,
        reserve=None,
        rarest=0 if shares is None else int(shares.argmin()),
        statistics=True,
    )


def _of_rows(prepared: Prepared, question: Question) -> Measured:
    """A model that is fitted to rows; its truth is what the metric says of real ones."""
    data = prepared.data
    if data.law is None:  # no more real rows to compare with than there are
        there = data.training.shape[1] + data.reserve.shape[1]
        rows = min(prepared.evaluation_rows, there)
        prepared = dataclasses.replace(prepared, evaluation_rows=rows)
    world = prepared.world(say=print)
    truths = _real(world, question.metric)
    metric, groups, truth = _chosen(world, question.metric, truths)
    chosen = {group: world.metrics[group] for group in groups}
    world, records, own = dataclasses.replace(world, metrics=chosen), [], []
    for generation in closed_loop(world):
        names = generation.record
        require(metric in names, "metric", metric, nearest(metric, {*names, *_names(truths)}))
        records.append(names[metric].numpy())
        own.append(_again(world, generation)[metric].numpy())
        _told(generation, metric)
    twice = np.stack(records) - np.stack(own)  # [2, R]
    n0, n = world.sizes[:2]
    values = None if truth is None else truth.to("cpu", torch.float64).numpy()
    return Measured(
        metric,
        groups,
        n,
        n0,
        *records,
        values,
        None if data.shares is None else float(data.shares.min()),
        _law(world, metric),
        world.evaluation_rows,
        None if data.law is not None else data.reserve.shape[1],
        statistics=False,
        own_noise=float(np.mean(twice**2) / 2),
    )


def _real(world: World, wanted: str | None) -> dict[str, dict[str, Tensor]]:
    """``{group: {column: [R]}}`` of real rows in place of samples, until the wanted is found."""
    rows = real_rows(world)
    streams = world.streams(0).scoped("plan")
    evaluation = Evaluation(None, rows, world.reference, streams)  # ty: ignore[invalid-argument-type]
    named = (wanted,) if wanted else HEADLINES
    groups = sorted(world.metrics, key=lambda group: not any(group in name for name in named))
    found: dict[str, dict[str, Tensor]] = {}
    with one_thread():
        for group in groups:
            metric = world.metrics[group]
            if isinstance(metric, Parameters):
                found[group] = _true_columns(world)
            elif not metric.needs & FITTED:
                found[group] = metric.measure(evaluation)
            if wanted in found.get(group, {}):
                break
    return found


def real_rows(world: World) -> Tensor:
    """As many real rows per chain as metrics draw, ``[R, M, D]``, none of them held out.

    New ones of an exact law, else generation 0's and the reserve's in random order.
    """
    data, M, streams = world.data, world.evaluation_rows, world.streams(0).scoped("plan")
    if data.law is not None:
        return data.law.draw(M, streams, "real")[0].to(data.x.device)
    own = torch.cat([data.training, data.reserve], 1)
    order = streams("real").permutation(own.shape[1]).to(own.device)
    picked = own.gather(1, order[:, :M])
    return torch.stack([data.x[r % len(data.x), rows] for r, rows in enumerate(picked)])


def _chosen(
    world: World, wanted: str | None, truths: Mapping[str, Mapping[str, Tensor]]
) -> tuple[str, tuple[str, ...], Tensor | None]:
    """The column, the metrics that may give it, and its truth; none where only a fit has it."""
    names = _names(truths)
    if wanted is None:
        family = isinstance(world.model, FamilyModel) and "parameters" in truths
        wanted = _of_family(truths["parameters"]) if family else headline(names)
        require(bool(names), "metrics", list(world.metrics), "name one that real rows have")
        wanted = wanted or names[0]
    for group, columns in truths.items():
        if wanted in columns:
            return wanted, (group,), columns[wanted]
    fitted = tuple(name for name, metric in world.metrics.items() if metric.needs & FITTED)
    require(bool(fitted), "metric", wanted, nearest(wanted, names))
    return wanted, fitted, None


def _true_columns(world: World) -> dict[str, Tensor]:
    family, truth = _truths(world)[0]
    return {k: v.expand(world.chains) for k, v in family.columns(truth, truth).items()}


def _truths(world: World) -> list[tuple[Family, Values]]:
    """The family that the model fits and its true parameters, where the data have them."""
    if not isinstance(world.model, FamilyModel):
        return []
    return [pair for pair in world.data.truths if pair[0] == world.model.family()]


def _law(world: World, metric: str) -> Exact | None:
    truths = _truths(world)
    if not truths:
        return None
    truth = {name: value[0].cpu().numpy() for name, value in truths[0][1].items()}
    n0, n = world.sizes[:2]
    return exact(world.model, truth, metric, n, n0, world.sampling.temperature)


def _of_family(columns: Iterable[str]) -> str:
    """The metric a family is asked about: its mean, which the laws are exact for."""
    names = list(columns)
    means = [name for name in ("mean", "mean_1") if name in names]
    return means[0] if means else headline(names) or names[0]


def _names(truths: Mapping[str, Mapping[str, Tensor]]) -> list[str]:
    return [name for columns in truths.values() for name in columns]


def _again(world: World, generation: Generation) -> dict[str, Tensor]:
    """The same fit's metrics on other rows drawn from it."""
    fit = world.model.restore(generation.weights, world.data.space)
    with one_thread():
        return remeasured(world, fit, world.streams(generation.number).scoped("again"))


def _told(generation: Generation, metric: str) -> None:
    """Say that a generation is done: fitting rows takes its time."""
    mean = float(generation.record[metric].mean())
    print(f"generation {generation.number}/1  {metric} {mean:.4g}", flush=True)


def _finite(measured: Measured) -> Measured:
    """Refuse a metric that has no value in some chain: a rule of means would hide it."""
    known = [measured.x0, measured.x1] + ([] if measured.truth is None else [measured.truth])
    bad = sum(int((~np.isfinite(x)).sum()) for x in known)
    remedy = f"it is undefined or infinite in {bad} cases; choose another metric"
    require(bad == 0, "metric", measured.metric, remedy)
    return measured


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "name"}
