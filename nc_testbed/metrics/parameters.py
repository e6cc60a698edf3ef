"""What a fit's own parameters say, exactly: no samples are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation


@dataclass(frozen=True)
class Parameters:
    """Columns computed from the parameters of a fit and of the truth, as far as they
    apply.

    No sample is drawn: of exponential families all that apply, of mixtures and kernel
    densities the moments. The formula of each is in the family's ``columns``.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"parameters"})
    collapse: ClassVar[str] = "vanishing variance"
    columns: ClassVar[dict[str, Column]] = {
        "mean": Column("of x, or of the only coordinate", worse="either", unit="units of x"),
        "mean_i": Column(
            "of the first eight coordinates or classes, i from 1",
            worse="either",
            unit="units of x",
        ),
        "variance": Column(
            "variance of the fitted law, per coordinate; 0 once it is a point",
            low=0,
            worse="lower",
            unit="units of x, squared",
            group="4 diversity",
            headline=5,
        ),
        "log_variance": Column(
            "ln of it; of several coordinates ln det of the covariance, -inf once it is "
            "singular; of a mixture without coordinates that never vary",
            worse="lower",
            group="4 diversity",
        ),
        "heterozygosity": Column(
            "chance that two draws differ, `1 - sum p_i^2` of the class shares; 0 once one "
            "symbol is left",
            low=0,
            high=1,
            worse="lower",
            group="4 diversity",
            headline=4,
        ),
        "w2_squared": Column(
            "squared Wasserstein-2 distance to the truth",
            low=0,
            unit="units of x, squared",
            group="2 quality",
        ),
        "kl": Column(
            "KL divergence of the fitted law from the true one, KL(fit || truth): finite for a "
            "fit that has lost classes, where KL(truth || fit) is infinite",
            low=0,
            unit="nats",
            group="3 likelihood",
            overall=5,
        ),
        "absorbed": Column(
            "1 where the fit holds one point only, else 0",
            low=0,
            high=1,
            group="1 tail",
        ),
        "alive_classes": Column(
            "classes with any mass",
            low=0,
            high="C",
            worse="lower",
            unit="classes",
            group="1 tail",
        ),
        "missing_mass": Column(
            "the truth's mass of the other classes",
            low=0,
            high=1,
            group="1 tail",
        ),
        "risk": Column(
            "squared distance of a regression's weights from the truth: error above the noise",
            low=0,
            unit="units of y, squared",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        return cast(Any, evaluation.fit).columns(evaluation.data.true_parameters)
