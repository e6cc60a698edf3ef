"""Where the rows of a training set came from, in numbers."""

from __future__ import annotations

from typing import Any

import torch

from nc_testbed.core.training_set import TrainingSet


def lineage(training: TrainingSet) -> dict[str, Any]:
    """How many training rows came from where, over all chains.

    ``rows``: {origin: rows}, 0 = real, g + 1 = sampled from generation g. ``real``: how many
    different real rows are among them, summed over chains. ``weight``, where rows are weighted:
    {origin: share of the weight}, in [0, 1].
    """
    origin, N = training.origin().flatten().cpu(), training.real.shape[1]
    counts = torch.bincount(origin).tolist()
    used = torch.zeros(len(training.rows), N + 1, dtype=torch.bool, device=training.rows.device)
    used.scatter_(1, training.rows.clamp(max=N), True)  # synthetic rows in a column of their own
    found: dict[str, Any] = {"rows": {str(g): n for g, n in enumerate(counts) if n}}
    found["real"] = int(used[:, :N].sum())
    if training.weights is not None:
        weights = training.weights.flatten().double().cpu()
        total = torch.bincount(origin, weights) / weights.sum()
        found["weight"] = {g: float(total[int(g)]) for g in found["rows"]}
    return found
