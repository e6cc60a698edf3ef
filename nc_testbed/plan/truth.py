"""What a metric says of the truth: of real rows, or of true parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from nc_testbed.config.build import nearest
from nc_testbed.core.errors import require
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.family import Family
from nc_testbed.core.family import Parameters as Values
from nc_testbed.families.estimator import FamilyModel
from nc_testbed.loop.run import Run
from nc_testbed.metrics.column import Columns
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.parameters import Parameters

FITTED = frozenset({"likelihood", "exact", "parameters"})
"""What a metric requires that asks the fit and not its samples: real rows have no
value."""
LOOPED = frozenset({"encoder"})
"""What a metric requires that asks the loop: it cannot be measured again on one fit."""
TruthColumns = Mapping[str, Mapping[str, Tensor]]
"""``{group: {column: [R]}}``: what the metrics of each group say of the truth."""


def on_real(run: Run, metric: str | None) -> dict[str, dict[str, Tensor]]:
    """``{group: {column: [R]}}`` of real rows in place of samples, up to this metric's
    group."""
    streams = run.streams(0).enter_scope("plan")
    evaluation = Evaluation(  # real rows belong to no fit
        None,
        real_rows(run),
        run.reference,
        streams,
    )
    declared = {name: Columns.declared_by([group]) for name, group in run.metrics.items()}
    names = sorted(run.metrics, key=lambda name: metric not in declared[name])
    truths: dict[str, dict[str, Tensor]] = {}
    with one_thread():
        for name in names:
            columns = _truth_columns(run, run.metrics[name], evaluation)
            if columns is not None:
                truths[name] = columns
            if metric in truths.get(name, {}):
                break
    return truths


def real_rows(run: Run) -> Tensor:
    """As many real rows per chain as metrics draw, ``[R, M, D]``, none of them held out.

    New ones of an exact law, else generation 0's and the reserve's in random order.
    """
    data = run.data
    M = run.evaluation_rows
    streams = run.streams(0).enter_scope("plan")
    if data.law is not None:
        return data.law.draw(M, streams, "real")[0].to(data.x.device)
    addresses = torch.cat([data.training, data.reserve], 1)
    order = streams("real").permutation(addresses.shape[1]).to(addresses.device)
    picked = addresses.gather(1, order[:, :M])
    return torch.stack([data.rows_of(r)[rows] for r, rows in enumerate(picked)])


def choose_metric(
    run: Run, metric: str | None, truths: TruthColumns
) -> tuple[str, tuple[str, ...], Tensor | None]:
    """The column, the metrics that may give it, and its truth; none where only a fit has
    it.

    metric: the user's, or None for the headline (of a family its mean).
    """
    names = names_of(truths)
    if metric is None:
        require(bool(names), "metrics", list(run.metrics), "name one that real rows have")
        if isinstance(run.model, FamilyModel) and "parameters" in truths:
            metric = of_family(truths["parameters"])
        else:
            declared = Columns.declared_by(run.metrics.values())
            metric = declared.headline(names) or names[0]
    for group, columns in truths.items():
        if metric in columns:
            return metric, (group,), columns[metric]
    fitted = tuple(name for name, group in run.metrics.items() if group.requires & FITTED)
    require(bool(fitted), "metric", metric, nearest(metric, names))
    return metric, fitted, None


def truths_of(run: Run) -> list[tuple[Family, Values]]:
    """The family that the model fits and its true parameters, where the data have
    them."""
    if not isinstance(run.model, FamilyModel):
        return []
    return [pair for pair in run.data.true_parameters if pair[0] == run.model.family()]


def of_family(columns: Iterable[str]) -> str:
    """The metric a family is asked about: its mean, which the laws are exact for."""
    names = list(columns)
    means = [name for name in ("mean", "mean_1") if name in names]
    if means:
        return means[0]
    return Columns.declared_by([Parameters]).headline(names) or names[0]


def names_of(truths: TruthColumns) -> list[str]:
    """The columns of all groups."""
    return [name for columns in truths.values() for name in columns]


def _truth_columns(run: Run, metric: Any, evaluation: Evaluation) -> dict[str, Tensor] | None:
    """What one metric says of the truth, None where only a fit or the loop has it."""
    true_parameters = truths_of(run) or list(run.data.true_parameters)
    if isinstance(metric, Parameters) and true_parameters:
        family, truth = true_parameters[0]
        columns = family.columns(truth, truth).items()
        return {name: value.expand(run.chains) for name, value in columns}
    if metric.requires & (FITTED | LOOPED):
        return None
    return metric.measure(evaluation)
