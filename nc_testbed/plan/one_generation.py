"""Generations 0 and 1 under replace, and the same metric on real rows."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nc_testbed.config.build import nearest
from nc_testbed.core.errors import require
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.interfaces import Generation
from nc_testbed.loop.closed_loop import closed_loop, measure
from nc_testbed.loop.run import Run
from nc_testbed.metrics.column import Columns
from nc_testbed.plan.anchored_law import AnchoredLaw, anchored_law, class_shares
from nc_testbed.plan.question import PlanQuestion, Request
from nc_testbed.plan.truth import choose_metric, names_of, of_family, on_real, truths_of
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.run.console import Console
from nc_testbed.run.prepare import Prepared, prepare

MANY = 2000
"""Chains by default where statistics are drawn: they cost next to nothing."""


@dataclass(frozen=True)
class Measured:
    """What one generation under replace showed.

    metric: its column. groups: the metrics that give it, as ``metrics=[..]`` names them.
    n, n0: rows per refit and of generation 0. x0, x1: the metric ``[R]`` in generations 0
    and 1. truth: ``[R]`` of real rows or of the true parameters, None where it is
    unknown. share: of the rarest class, None without classes. exact: the law of a
    family's metric. rows: per chain that metrics draw, None of a family. reserve:
    never-used rows, None = no end. statistics: whether rows were not drawn. rarest: the
    class of that share in a family's fit. own_noise: variance of the metric over sets of
    rows drawn from one fit.
    """

    metric: str
    groups: tuple[str, ...]
    n: int
    n0: int
    x0: NDArray[np.float64]
    x1: NDArray[np.float64]
    truth: NDArray[np.float64] | None
    share: float | None
    exact: AnchoredLaw | None
    rows: int | None
    reserve: int | None
    statistics: bool
    rarest: int = 0
    own_noise: float = 0.0

    @property
    def chains(self) -> int:
        """Number of chains R."""
        return len(self.x0)

    @property
    def changes(self) -> NDArray[np.float64]:
        """``x1 - x0`` ``[R]``, paired by chain."""
        return self.x1 - self.x0

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Generation 0 less the truth ``[R]``; less its own mean where the truth is
        unknown."""
        return self.x0 - (self.x0.mean() if self.truth is None else self.truth)


def measure_one_generation(request: Request) -> Measured:
    """Run generations 0 and 1 under replace and measure the metric of the request.

    Raises BadInput where the settings, the metric or the numbers of rows cannot be
    served.
    """
    config = request.config("policy=replace", "generations=2")
    remedy = "a plan is for equal numbers of rows in all generations: give one number"
    require(not isinstance(config["n"], list | dict), "n", config["n"], remedy)
    prepared = prepare(config)
    draws_statistics = prepared.store.draw == "statistics"
    chains = prepared.settings.chains
    if draws_statistics and not request.chains_given:
        chains = MANY
    require(chains >= 2, "chains", chains, "intervals need at least 2 chains")
    if draws_statistics:
        run = dataclasses.replace(prepared.run(say=print), chains=chains)
        return _refuse_undefined(_of_statistics(run, request.question))
    return _refuse_undefined(_of_rows(prepared, request.question))


def _of_statistics(run: Run, question: PlanQuestion) -> Measured:
    """A family whose rows are not drawn; its truth is known."""
    ((family, law),) = run.data.true_parameters
    true_parameters = family.columns(law, law)
    metric = question.metric or of_family(true_parameters)
    require(metric in true_parameters, "metric", metric, nearest(metric, true_parameters))
    first, second = (g.record[metric].numpy() for g in closed_loop(run))
    truth = {name: value[0].numpy() for name, value in law.items()}
    n0, n = run.sizes[:2]
    shares = class_shares(truth)
    return Measured(
        metric,
        ("parameters",),
        n,
        n0,
        first,
        second,
        np.full(run.chains, float(true_parameters[metric][0])),
        None if shares is None else float(shares.min()),
        anchored_law(run.model, truth, metric, n, n0, run.sampling.temperature),
        rows=None,
        reserve=None,
        rarest=0 if shares is None else int(shares.argmin()),
        statistics=True,
    )


def _of_rows(prepared: Prepared, question: PlanQuestion) -> Measured:
    """A model that is fitted to rows; its truth is what the metric says of real ones."""
    data = prepared.data
    if data.law is None:  # no more real rows to compare with than there are
        available = data.training.shape[1] + data.reserve.shape[1]
        rows = min(prepared.evaluation_rows, available)
        prepared = dataclasses.replace(prepared, evaluation_rows=rows)
    run = prepared.run(say=print)
    true_parameters = on_real(run, question.metric)
    metric, groups, truth = choose_metric(run, question.metric, true_parameters)
    run = dataclasses.replace(run, metrics={group: run.metrics[group] for group in groups})
    first, second = _two_generations(run, metric, names_of(true_parameters))
    twice = np.stack([first, second])  # [2 generations, 2 sets of rows, R]
    n0, n = run.sizes[:2]
    values = None if truth is None else truth.to("cpu", torch.float64).numpy()
    return Measured(
        metric,
        groups,
        n,
        n0,
        first[0],
        second[0],
        values,
        None if data.shares is None else float(data.shares.min()),
        _law(run, metric),
        run.evaluation_rows,
        None if data.law is not None else data.reserve.shape[1],
        statistics=False,
        own_noise=float(np.mean((twice[:, 0] - twice[:, 1]) ** 2) / 2),
    )


def _law(run: Run, metric: str) -> AnchoredLaw | None:
    """The law of a family's metric, None of any other model."""
    true_parameters = truths_of(run)
    if not true_parameters:
        return None
    truth = {name: value[0].cpu().numpy() for name, value in true_parameters[0][1].items()}
    n0, n = run.sizes[:2]
    return anchored_law(run.model, truth, metric, n, n0, run.sampling.temperature)


def _two_generations(run: Run, metric: str, names: Iterable[str]) -> list[NDArray[np.float64]]:
    """The metric of generations 0 and 1, on two sets of rows drawn from each fit
    ``[2, R]``."""
    values = []
    columns = Columns.declared_by(run.metrics.values())
    with Console(run.generations, statistics=ChainStatistics(columns)) as console:
        start = time.monotonic()
        for generation in closed_loop(run, progress=console.step):
            record = generation.record
            require(metric in record, "metric", metric, nearest(metric, {*names, *record}))
            again = _measure_again(run, generation)
            values.append(np.stack([record[metric].numpy(), again[metric].numpy()]))
            console.generation(generation.number, time.monotonic() - start, record)
            start = time.monotonic()
    return values


def _measure_again(run: Run, generation: Generation) -> dict[str, Tensor]:
    """The same fit's metrics on other rows drawn from it."""
    fit = run.model.restore(generation.weights, run.data.space)
    with one_thread():
        return measure(run, fit, run.streams(generation.number).enter_scope("again"))


def _refuse_undefined(measured: Measured) -> Measured:
    """Refuse a metric that has no value in some chain: a rule of means would hide it."""
    values = [measured.x0, measured.x1]
    if measured.truth is not None:
        values.append(measured.truth)
    count = sum(int((~np.isfinite(x)).sum()) for x in values)
    remedy = f"it is undefined or infinite in {count} cases; choose another metric"
    require(count == 0, "metric", measured.metric, remedy)
    return measured
