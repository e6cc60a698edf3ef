"""Only real rows, as they come in: what an anchor has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Policy, Store, Training
from nc_testbed.core.rng import RandomStreams
from nc_testbed.laws.context import LawContext


@final
@dataclass(frozen=True)
class Collect(Policy):
    """Every generation trains on all real rows seen so far and on no synthetic row.

    They are generation 0's and k fresh ones of every generation since: the same real rows
    that ``anchor`` with ``source=fresh`` is given, kept instead of thrown away. With
    ``data.rows=k`` generation g has (g + 1) k of them.

    k: fresh real rows per generation, >= 1.

    In the literature it has no name of its own: the baseline that every claim about
    anchors must beat.
    """

    k: int = 1

    def __post_init__(self) -> None:
        require(self.k >= 1, "k", self.k, "give a whole number >= 1, or policy=real")

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Raise BadInput for a budget: all rows seen are kept."""
        require(budget is None, "budget", budget, "collect trains on all it has; give null")

    def real_row_budget(self, n: int, budget: int | None) -> dict[str, int]:
        """k fresh ones."""
        return {"fresh": self.k}

    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """Generation 0's real rows and k for every generation since."""
        return archive.view(archive.collected_rows(self.k, streams))

    def law_context(self, sizes: Sequence[int], budget: int | None) -> LawContext:
        """Real rows alone, k more of them in every generation."""
        return LawContext(sizes, "collected", k=self.k)
