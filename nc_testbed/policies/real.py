"""Real data only: the control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nc_testbed.archive import Archive, TrainingSet, thin
from nc_testbed.rng import Streams


@dataclass(frozen=True)
class Real:
    """Every generation is refitted to generation 0's real rows: the control without a loop.

    What changes over its generations is the noise of fitting alone. With a budget, that many of
    the real rows are drawn uniformly without replacement, anew each generation.

    In the literature it has no name of its own: "real data only", "baseline".
    """

    window: ClassVar[int | None] = 1
    trains_on_real: ClassVar[bool] = True

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Nothing to refuse: a budget above the number of real rows takes them all."""

    def fresh_rows(self, n: int, budget: int | None) -> int:
        """0: no never-seen rows are needed."""
        return 0

    def compose(self, archive: Archive, streams: Streams, budget: int | None) -> TrainingSet:
        """Generation 0's real rows, ``[R, min(n0, budget)]``."""
        return archive.view(thin(archive.training, budget, streams("budget")))
