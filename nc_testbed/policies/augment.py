"""All the original real rows and the last synthetic set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Store, Training
from nc_testbed.core.rng import RandomStreams


@dataclass(frozen=True)
class Augment:
    """Every generation trains on generation 0's real rows and n rows of the last synthetic set.

    With a budget the synthetic rows are the fewer: real ones are never thinned.

    In the literature: "synthetic augmentation loop" (Alemohammad et al. 2024,
    https://arxiv.org/abs/2307.01850); the mixing of Bertrand et al. 2024
    (https://arxiv.org/abs/2310.00429) with a share n / (n0 + n) of synthetic rows.
    """

    window: ClassVar[int | None] = 1
    trains_on_real: ClassVar[bool] = True
    needs_classifier: ClassVar[bool] = False

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Raise BadInput for a budget below the real rows, or above all rows."""
        fits = budget is None or real <= budget <= real + n
        remedy = f"there are {real} real rows and {n} synthetic ones: give {real} to {real + n}"
        require(fits, "budget", budget, remedy)

    def real_row_budget(self, n: int, budget: int | None) -> dict[str, int]:
        """None but generation 0's, which stay."""
        return {}

    def needs_rows(self, budget: int | None) -> bool:
        """False: fewer rows of a set are a smaller set of the same law."""
        return False

    def compose(self, archive: Store, streams: RandomStreams, budget: int | None) -> Training:
        """n0 real rows and n synthetic ones (budget - n0 with a budget)."""
        m = archive.size if budget is None else budget - archive.first
        return archive.view(archive.original(), archive.latest(m))
