"""The last generation's synthetic rows, some of them replaced by real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Policy, Store, Training
from nc_testbed.core.rng import RandomStreams
from nc_testbed.laws.context import LawContext, cut_to_budget


@final
@dataclass(frozen=True)
class Anchor(Policy):
    """Every generation trains on k real rows and n - k (or budget - k) synthetic ones.

    The training set is that of ``replace`` with its last k rows replaced by real ones, so
    k = 0 is ``replace`` exactly and a budget never thins the anchors.

    k: real rows per generation, 0 to n. share: used only where k is null, k = share of
    the training set, rounded (0 to 1). source: where the real rows come from, fresh = k
    rows that no generation has seen; pool = k of generation 0's rows, drawn anew each
    generation; fixed = the same k of generation 0's rows for ever.

    In the literature: fresh is the "fresh data loop" and fixed the "synthetic
    augmentation loop" (Alemohammad et al. 2024, https://arxiv.org/abs/2307.01850); pool
    is "10% of the original data" (Shumailov et al. 2024,
    https://doi.org/10.1038/s41586-024-07566-y); a share of real data as in Bertrand et
    al. 2024, https://arxiv.org/abs/2310.00429

    >>> Anchor(k=1).anchors(n=100, budget=None), Anchor(share=0.25).anchors(n=100, budget=40)
    (1, 10)
    """

    k: int | None = None
    share: float = 0.5
    source: Literal["fresh", "pool", "fixed"] = "pool"

    def __post_init__(self) -> None:
        valid = self.k is None or self.k >= 0
        require(valid, "k", self.k, "give a whole number >= 0, or null to use share")
        valid = 0 <= self.share <= 1
        require(valid, "share", self.share, "give a number from 0 to 1")

    def anchors(self, n: int, budget: int | None) -> int:
        """Real rows per generation, whether set as k or as a share."""
        size = n if budget is None else budget
        return round(self.share * size) if self.k is None else self.k

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Raise BadInput for anchors or a budget that there are no rows for.

        That is where budget > n, k > rows trained on, k > real rows of generation 0 for
        the pool or fixed ones, or where a share rounds to no row.
        """
        valid = budget is None or budget <= n
        remedy = f"a generation has n={n} rows: give at most that many"
        require(valid, "budget", budget, remedy)
        size = n if budget is None else budget
        k = self.anchors(n, budget)
        remedy = f"a generation trains on {size} rows: give at most that many"
        require(k <= size, "k", k, remedy)
        valid = self.source == "fresh" or k <= real
        require(valid, "k", k, f"generation 0 has {real} real rows: give at most that many")
        valid = k > 0 or self.k == 0 or self.share == 0
        require(valid, "share", self.share, f"that is no row of {size}: give policy.k=1")

    def real_row_budget(self, n: int, budget: int | None) -> dict[str, int]:
        """k of the chosen source."""
        k = self.anchors(n, budget)
        return {self.source: k} if k else {}

    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """n (or budget) rows: synthetic ones, then k real ones."""
        k = self.anchors(archive.size, budget)
        size = archive.size if budget is None else budget
        sources = {"fresh": archive.fresh, "pool": archive.pool, "fixed": archive.fixed_rows}
        return archive.view(archive.latest(size - k), sources[self.source](k, streams))

    def law_context(self, sizes: Sequence[int], budget: int | None) -> LawContext:
        """k real rows of the chosen source, and the rest of n (or budget) synthetic."""
        trained = cut_to_budget(sizes, budget)
        k = self.anchors(trained[-1], None)
        return LawContext(trained, k=k, source=self.source)
