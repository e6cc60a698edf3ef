"""What a metric says of the truth: of real rows in place of samples, or of true parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
"""What a metric needs that asks the fit and not its samples: real rows have no value of it."""
LOOPED = frozenset({"encoder"})
"""What a metric needs that asks the loop: it cannot be measured a second time on one fit."""


def on_real(run: Run, wanted: str | None) -> dict[str, dict[str, Tensor]]:
    """``{group: {column: [R]}}`` of real rows in place of samples, until the wanted is found."""
    rows = real_rows(run)
    streams = run.streams(0).enter_scope("plan")
    evaluation = Evaluation(None, rows, run.reference, streams)  # ty: ignore[invalid-argument-type]
    declared = {group: Columns.declared_by([metric]) for group, metric in run.metrics.items()}
    groups = sorted(run.metrics, key=lambda group: wanted not in declared[group])
    found: dict[str, dict[str, Tensor]] = {}
    with one_thread():
        for group in groups:
            metric = run.metrics[group]
            true_parameters = truths_of(run) or list(run.data.true_parameters)
            if isinstance(metric, Parameters) and true_parameters:
                family, truth = true_parameters[0]
                columns = family.columns(truth, truth).items()
                found[group] = {name: value.expand(run.chains) for name, value in columns}
            elif not metric.requires & (FITTED | LOOPED):
                found[group] = metric.measure(evaluation)
            if wanted in found.get(group, {}):
                break
    return found


def real_rows(run: Run) -> Tensor:
    """As many real rows per chain as metrics draw, ``[R, M, D]``, none of them held out.

    New ones of an exact law, else generation 0's and the reserve's in random order.
    """
    data, M, streams = run.data, run.evaluation_rows, run.streams(0).enter_scope("plan")
    if data.law is not None:
        return data.law.draw(M, streams, "real")[0].to(data.x.device)
    own = torch.cat([data.training, data.reserve], 1)
    order = streams("real").permutation(own.shape[1]).to(own.device)
    picked = own.gather(1, order[:, :M])
    return torch.stack([data.rows_of(r)[rows] for r, rows in enumerate(picked)])


def choose_metric(
    run: Run, wanted: str | None, true_parameters: Mapping[str, Mapping[str, Tensor]]
) -> tuple[str, tuple[str, ...], Tensor | None]:
    """The column, the metrics that may give it, and its truth; none where only a fit has it."""
    names = names_of(true_parameters)
    if wanted is None:
        family = isinstance(run.model, FamilyModel) and "parameters" in true_parameters
        described = Columns.declared_by(run.metrics.values())
        headline = described.headline(names)
        wanted = of_family(true_parameters["parameters"]) if family else headline
        require(bool(names), "metrics", list(run.metrics), "name one that real rows have")
        wanted = wanted or names[0]
    for group, columns in true_parameters.items():
        if wanted in columns:
            return wanted, (group,), columns[wanted]
    fitted = tuple(name for name, metric in run.metrics.items() if metric.requires & FITTED)
    require(bool(fitted), "metric", wanted, nearest(wanted, names))
    return wanted, fitted, None


def truths_of(run: Run) -> list[tuple[Family, Values]]:
    """The family that the model fits and its true parameters, where the data have them."""
    if not isinstance(run.model, FamilyModel):
        return []
    return [pair for pair in run.data.true_parameters if pair[0] == run.model.family()]


def of_family(columns: Iterable[str]) -> str:
    """The metric a family is asked about: its mean, which the laws are exact for."""
    names = list(columns)
    means = [name for name in ("mean", "mean_1") if name in names]
    return means[0] if means else Columns.declared_by([Parameters]).headline(names) or names[0]


def names_of(true_parameters: Mapping[str, Mapping[str, Tensor]]) -> list[str]:
    return [name for columns in true_parameters.values() for name in columns]
