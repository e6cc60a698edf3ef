"""All the original real rows and the last synthetic set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Policy, Store, Training
from nc_testbed.core.rng import RandomStreams
from nc_testbed.laws.context import LawContext, cut_to_budget


@final
@dataclass(frozen=True)
class Augment(Policy):
    """Every generation trains on generation 0's real rows and the last synthetic set.

    With a budget the synthetic rows are the fewer: real ones are never thinned.

    In the literature: "synthetic augmentation loop" (Alemohammad et al. 2024,
    https://arxiv.org/abs/2307.01850); the mixing of Bertrand et al. 2024
    (https://arxiv.org/abs/2310.00429) with a share n / (n0 + n) of synthetic rows.
    """

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Raise BadInput for a budget below the real rows, or above all rows."""
        valid = budget is None or real <= budget <= real + n
        remedy = f"there are {real} real rows and {n} synthetic ones: give {real} to {real + n}"
        require(valid, "budget", budget, remedy)

    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """n0 real rows and n synthetic ones (budget - n0 with a budget)."""
        synthetic = archive.size if budget is None else budget - archive.first
        return archive.view(archive.original(), archive.latest(synthetic))

    def law_context(self, sizes: Sequence[int], budget: int | None) -> LawContext:
        """n0 real rows that stay, and n synthetic ones beside them."""
        n0 = sizes[0]
        trained = [n0, *(n0 + n for n in sizes[1:])]
        return LawContext(cut_to_budget(trained, budget), k=n0, source="fixed")
