"""Real data only: the control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nc_testbed.core.interfaces import Store, Training
from nc_testbed.core.rng import RandomStreams


@dataclass(frozen=True)
class Real:
    """Every generation is refitted to generation 0's real rows: the control without a loop.

    What changes over its generations is the noise of fitting alone. With a budget, that many of
    the real rows are drawn uniformly without replacement, anew each generation.

    In the literature it has no name of its own: "real data only", "baseline".
    """

    window: ClassVar[int | None] = 1
    trains_on_real: ClassVar[bool] = True
    needs_classifier: ClassVar[bool] = False

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Nothing to refuse: a budget above the number of real rows takes them all."""

    def real_row_budget(self, n: int, budget: int | None) -> dict[str, int]:
        """Those of generation 0, a budget of them drawn anew."""
        return {} if budget is None else {"pool": budget}

    def needs_rows(self, budget: int | None) -> bool:
        """False: no synthetic row is looked at."""
        return False

    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """Generation 0's real rows, n0 (or budget)."""
        if budget is None:
            return archive.view(archive.original())
        return archive.view(archive.pool(budget, streams))
