"""What a fit's own parameters say, exactly: no samples are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from torch import Tensor

from nc_testbed.metrics.evaluation import Evaluation


@dataclass(frozen=True)
class Parameters:
    """Columns computed from the parameters of a fit and of the truth, as far as they apply.

    ``mean``: of x (``mean_1`` .. ``mean_8`` of several coordinates or classes).
    ``variance``: of x, per coordinate. ``log_variance``: ln of it, of several coordinates ln det
    of the covariance; -inf once it is singular. ``gini``: ``1 - sum p_i^2``, 0..1.
    ``w2_squared``: squared Wasserstein-2 distance to the truth. ``kl``: ``KL(fit || truth)`` in
    nats: finite for a fit that has lost classes, where ``KL(truth || fit)`` is infinite.
    ``absorbed``: 1 where the fit holds one point only, else 0. ``alive_classes``: classes with
    any mass. ``missing_mass``: the truth's mass of the others. ``risk``: of a regression,
    ``|w - w_0|^2``.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"parameters"})
    collapse: ClassVar[str] = "vanishing variance"

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        return cast(Any, evaluation.fit).columns(evaluation.data.truths)
