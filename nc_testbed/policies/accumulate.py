"""All real rows and all synthetic rows so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from nc_testbed.archive import Archive, TrainingSet, thin
from nc_testbed.rng import Streams


@dataclass(frozen=True)
class Accumulate:
    """Every generation trains on generation 0's real rows and all synthetic rows since.

    With a budget that many of them are drawn uniformly without replacement, anew each
    generation, whatever their origin.

    In the literature: "accumulate" (Gerstgrasser et al. 2024, https://arxiv.org/abs/2404.01413),
    with a budget "accumulate-subsample" (Kazdan et al. 2024, https://arxiv.org/abs/2410.16713).
    """

    window: ClassVar[int | None] = None
    trains_on_real: ClassVar[bool] = True

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Nothing to refuse: a budget above the number of stored rows takes them all."""

    def fresh_rows(self, n: int, budget: int | None) -> int:
        """0: no never-seen rows are needed."""
        return 0

    def compose(self, archive: Archive, streams: Streams, budget: int | None) -> TrainingSet:
        """All rows so far, ``[R, min(n0 + generations * n, budget)]``, real ones first."""
        synthetic = [archive.addresses(g) for g in range(archive.generations)]
        rows = torch.cat([archive.training, *synthetic], dim=1)
        return archive.view(thin(rows, budget, streams("budget")))
