"""All real rows and all synthetic rows so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nc_testbed.core.interfaces import Store, Training
from nc_testbed.core.rng import RandomStreams


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
    needs_classifier: ClassVar[bool] = False

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Nothing to refuse: a budget above the number of stored rows takes them all."""

    def real_row_budget(self, n: int, budget: int | None) -> dict[str, int]:
        """None but generation 0's, which stay."""
        return {}

    def needs_rows(self, budget: int | None) -> bool:
        """With a budget: it is drawn from all stored rows, old ones again and again."""
        return budget is not None

    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """All rows so far, n0 + generations * n (or budget), real ones first."""
        return archive.view(archive.everything(budget, streams))
