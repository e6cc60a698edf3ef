"""Where the rows of a training set came from, in numbers."""

from __future__ import annotations

from typing import Any

import torch

from nc_testbed.core.training_set import TrainingSet


def lineage(training: TrainingSet) -> dict[str, Any]:
    """How many training rows came from where, over all chains.

    ``rows``: {origin: rows}, 0 = real, g + 1 = sampled from generation g. ``real``: how
    many different real rows are among them, summed over chains. ``weight``, where rows
    are weighted: {origin: share of the weight}, in [0, 1].
    """
    origin = training.origin().flatten().cpu()
    rows = training.rows
    N = training.real.shape[1]
    counts = torch.bincount(origin).tolist()
    # Real rows by address; all synthetic ones share the last column.
    occurs = torch.zeros(len(rows), N + 1, dtype=torch.bool, device=rows.device)
    occurs.scatter_(1, rows.clamp(max=N), True)
    result: dict[str, Any] = {"rows": {str(g): n for g, n in enumerate(counts) if n}}
    result["real"] = int(occurs[:, :N].sum())
    if training.weights is not None:
        weights = training.weights.flatten().double().cpu()
        total = torch.bincount(origin, weights) / weights.sum()
        result["weight"] = {g: float(total[int(g)]) for g in result["rows"]}
    return result
