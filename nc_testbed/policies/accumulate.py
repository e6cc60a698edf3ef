"""All real rows and all synthetic rows so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from nc_testbed.core.interfaces import Policy, Store, Training
from nc_testbed.core.rng import RandomStreams
from nc_testbed.laws.context import LawContext


@final
@dataclass(frozen=True)
class Accumulate(Policy):
    """Every generation trains on generation 0's real rows and all synthetic rows since.

    With a budget that many of them are drawn uniformly without replacement, anew each
    generation, whatever their origin.

    In the literature: "accumulate" (Gerstgrasser et al. 2024,
    https://arxiv.org/abs/2404.01413), with a budget "accumulate-subsample" (Kazdan et al.
    2024, https://arxiv.org/abs/2410.16713).
    """

    window: ClassVar[int | None] = None

    def needs_rows(self, budget: int | None) -> bool:
        """With a budget: it is drawn from all stored rows, old ones again and again."""
        return budget is not None

    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """All rows so far, n0 + generations * n (or budget), real ones first."""
        return archive.view(archive.everything(budget, streams))

    def law_context(self, sizes: Sequence[int], budget: int | None) -> LawContext:
        """All rows so far, a budget of them or all."""
        return LawContext(sizes, "accumulated", budget=budget)
