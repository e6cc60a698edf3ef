"""The last generation's synthetic rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Policy, Store, Training
from nc_testbed.core.rng import RandomStreams
from nc_testbed.laws.context import LawContext, cut_to_budget


@final
@dataclass(frozen=True)
class Replace(Policy):
    """Every generation trains on the last generation's synthetic rows and no real row.

    In the literature: "replace" (Gerstgrasser et al. 2024,
    https://arxiv.org/abs/2404.01413), the "fully synthetic loop" (Alemohammad et al.
    2024, https://arxiv.org/abs/2307.01850), the procedure of Shumailov et al. 2024,
    https://doi.org/10.1038/s41586-024-07566-y
    """

    trains_on_real: ClassVar[bool] = False

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Raise BadInput for a budget of more rows than a generation has."""
        valid = budget is None or budget <= n
        remedy = f"a generation has n={n} rows: give at most that many"
        require(valid, "budget", budget, remedy)

    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """The last synthetic set, n (or budget) rows."""
        return archive.view(archive.latest(archive.size if budget is None else budget))

    def law_context(self, sizes: Sequence[int], budget: int | None) -> LawContext:
        """No real rows, and n (or budget) of the last set."""
        return LawContext(cut_to_budget(sizes, budget))
