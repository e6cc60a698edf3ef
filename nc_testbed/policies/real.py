"""Real data only: the control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from nc_testbed.core.interfaces import Policy, Store, Training
from nc_testbed.core.rng import RandomStreams
from nc_testbed.laws.context import LawContext, cut_to_budget


@final
@dataclass(frozen=True)
class Real(Policy):
    """Every generation trains on generation 0's real rows: the control without a loop.

    What changes over its generations is the noise of fitting alone. With a budget, that
    many of the real rows are drawn uniformly without replacement, anew each generation;
    one above their number takes them all.

    In the literature it has no name of its own: "real data only", "baseline".
    """

    def real_row_budget(self, n: int, budget: int | None) -> dict[str, int]:
        """Those of generation 0, a budget of them drawn anew."""
        return {} if budget is None else {"pool": budget}

    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """Generation 0's real rows, n0 (or budget)."""
        if budget is None:
            return archive.view(archive.original())
        return archive.view(archive.pool(budget, streams))

    def law_context(self, sizes: Sequence[int], budget: int | None) -> LawContext:
        """The same real rows in every generation."""
        return LawContext(cut_to_budget(sizes, budget), "real")
