"""The last generation's synthetic rows only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Store, Training
from nc_testbed.core.rng import RandomStreams


@dataclass(frozen=True)
class Replace:
    """Every generation trains on the last generation's synthetic rows and no real row.

    In the literature: "replace" (Gerstgrasser et al. 2024, https://arxiv.org/abs/2404.01413),
    the "fully synthetic loop" (Alemohammad et al. 2024, https://arxiv.org/abs/2307.01850), the
    setting of Shumailov et al. 2024, https://doi.org/10.1038/s41586-024-07566-y
    """

    window: ClassVar[int | None] = 1
    trains_on_real: ClassVar[bool] = False
    needs_classifier: ClassVar[bool] = False

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Raise BadInput if more rows are asked for than a generation has."""
        fits = budget is None or budget <= n
        require(fits, "budget", budget, f"a generation has n={n} rows: give at most that many")

    def real_row_budget(self, n: int, budget: int | None) -> dict[str, int]:
        """None."""
        return {}

    def needs_rows(self, budget: int | None) -> bool:
        """False: fewer rows of a set are a smaller set of the same law."""
        return False

    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """The last synthetic set, n (or budget) rows."""
        return archive.view(archive.latest(archive.size if budget is None else budget))
