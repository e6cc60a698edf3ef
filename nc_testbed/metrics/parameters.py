"""What a fit's own parameters say, exactly: no samples are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation


@dataclass(frozen=True)
class Parameters:
    """Columns computed from the parameters of a fit and of the truth, as far as they apply.

    No sample is drawn: of exponential families all that apply, of mixtures and kernel densities the
    moments. The formula of each is in the family's ``columns``.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"parameters"})
    collapse: ClassVar[str] = "vanishing variance"
    columns: ClassVar[dict[str, Column]] = {
        "mean": Column("of x, or of the only coordinate", worse="either", unit="units of x"),
        "mean_i": Column(
            "of the first eight coordinates or classes, i from 1", worse="either", unit="units of x"
        ),
        "variance": Column("of x, per coordinate", 0, worse="lower", unit="units of x, squared"),
        "log_variance": Column(
            "ln of it; of several coordinates ln det of the covariance, -inf once it is singular",
            worse="lower",
        ),
        "heterozygosity": Column("`1 - sum p_i^2` of the class shares", 0, 1, "lower"),
        "w2_squared": Column(
            "squared Wasserstein-2 distance to the truth", 0, unit="units of x, squared"
        ),
        "kl": Column(
            "KL(fit || truth): finite for a fit that has lost classes, where KL(truth || fit)"
            " is infinite",
            0,
            unit="nats",
        ),
        "absorbed": Column("1 where the fit holds one point only, else 0", 0, 1),
        "alive_classes": Column("classes with any mass", 0, "C", "lower", "classes"),
        "missing_mass": Column("the truth's mass of the other classes", 0, 1),
        "risk": Column(
            "squared distance of a regression's weights from the truth: error above the noise",
            0,
            unit="units of y, squared",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        return cast(Any, evaluation.fit).columns(evaluation.data.true_parameters)
