"""What exponential-family models share: estimators, and fits from rows or statistics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.family import Family, Parameters, Statistic
from nc_testbed.core.interfaces import Fit, Progress, Sampling, no_progress
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.training_set import TrainingSet


@dataclass(frozen=True, kw_only=True)
class FamilyModel(ABC):
    """Settings common to all families; a model adds its family and how it solves for it.

    estimator: ``mle`` matches the moments of the rows. ``map`` is the mode of the
    posterior under the conjugate prior, which counts like ``prior_count`` rows of mean
    ``prior_mean``. ``l2`` is the MLE less ``penalty / 2`` |natural parameter|^2 per row.
    coordinates: where the mode is taken, a prior's density being another in each:
    ``natural`` (pseudo-rows simply join the rows) or ``mean``. ``map`` depends on it,
    ``mle`` does not. Raises BadInput where one is out of range.

    A model whose runs follow exact laws says ``exact_laws(truth, context)``, see
    :mod:`nc_testbed.laws.expected`, and one that can be planned for
    ``variance_function(truth, metric)``, see :mod:`nc_testbed.plan.anchored_law`. Both
    hold of the very class that defines them.
    """

    estimator: Literal["mle", "map", "l2"] = "mle"
    coordinates: Literal["natural", "mean"] = "natural"
    prior_count: float = 2.0
    penalty: float = 0.1

    provides: ClassVar[frozenset[str]] = frozenset({"likelihood", "exact", "parameters"})

    def __post_init__(self) -> None:
        valid = self.prior_count >= 0
        require(valid, "prior_count", self.prior_count, "give a number >= 0 of pseudo-rows")
        require(
            self.penalty > 0,
            "penalty",
            self.penalty,
            "give a number > 0, or estimator=mle",
        )
        valid = self.coordinates == "natural" or self.estimator != "l2"
        remedy = "l2 penalises the natural parameter; give natural, or estimator=map"
        require(valid, "coordinates", self.coordinates, remedy)

    @abstractmethod
    def family(self) -> Family:
        """The family that is fitted."""

    @abstractmethod
    def estimate(self, statistic: Statistic) -> Parameters:
        """The fit to these statistics."""

    def like(self, laws: Iterable[tuple[Family, Parameters]], size: int) -> Self:
        """This model with what its settings leave to the data filled in.

        laws: families that hold the data's law; size: numbers in a row of theirs.
        """
        return self

    def least_rows(self) -> int:
        """The fewest rows that can be fitted."""
        return 1

    def check(self, space: Space) -> None:
        """Raise BadInput unless rows are vectors of the family's size."""
        size = self.family().size
        numbers = f"{size} number{'s' * (size != 1)} a row"
        valid = not space.image and space.size == size
        remedy = f"these rows have {space.size} and this model takes {numbers}"
        require(valid, "_target_", type(self).__name__, remedy)

    def stacks(self, space: Space) -> bool:
        """True: nothing is reduced across chains."""
        return True

    def workspace(self, space: Space, m: int) -> int:
        """The rows and what is summed up of them."""
        return 4 * 8 * m * space.size

    def fit(
        self,
        training: TrainingSet,
        streams: RandomStreams,
        previous: Fit | None = None,
        progress: Progress = no_progress,
    ) -> FamilyFit:
        """R independent fits to rows, through their sufficient statistics."""
        statistic = training.sum_up(self.family())
        return self.restore(self.estimate(statistic), training.space)

    def restore(self, state: Mapping[str, Tensor], space: Space) -> FamilyFit:
        """The fit whose ``state_dict()`` this is."""
        return FamilyFit(self.family(), dict(state), space)


@dataclass(frozen=True)
class FamilyFit:
    """R fitted laws of one family."""

    family: Family
    parameters: Parameters
    space: Space

    def sample(self, n: int, streams: RandomStreams, sampling: Sampling) -> Tensor:
        """n rows per chain, ``[R, n, D]``, at the temperature; there is no decoder."""
        law = self.parameters
        if sampling.temperature != 1:
            law = self.family.temper(law, sampling.temperature)
        return self.space.stored_form(self.family.rows(law, n, streams, "sample"))

    def state_dict(self) -> dict[str, Tensor]:
        """The law's parameters, ``{name: [R, ...]}``."""
        return self.parameters

    def report(self) -> dict[str, Tensor]:
        """Empty: all that a fit has to say are its parameters."""
        return {}

    def log_prob(self, rows: Tensor) -> Tensor:
        """Log density ``[R, H]`` of stored rows ``[H, D]``, nats."""
        return self.family.log_prob(self.parameters, rows)

    def columns(
        self, true_parameters: Iterable[tuple[Family, Parameters]]
    ) -> dict[str, Tensor]:
        """Metrics of the parameters against the truth's in
        this family, which must exist."""
        truth = next(
            parameters for family, parameters in true_parameters if family == self.family
        )
        return self.family.columns(self.parameters, truth)


def posterior_mean(
    model: FamilyModel,
    total: Tensor,
    rows: float,
    prior_mean: float,
    slope: float,
    curve: float,
) -> Tensor:
    """The MLE or the mode under the conjugate prior of a one-parameter family, ``[R]``.

    For a family whose variance is ``V(phi) = a + slope phi + curve phi^2`` in its mean
    phi: ``phi = (T + A m) / (n + A)`` in natural coordinates; the density in mean
    coordinates has a factor ``1 / V(phi)`` more, and its mode is
    ``(T + A m - slope) / (n + A + 2 curve)``, or 0 where that is negative. total: T, the
    statistic's sum over n rows. Source: derived from P. Diaconis and D. Ylvisaker 1979,
    https://doi.org/10.1214/aos/1176344611
    """
    if model.estimator == "mle":
        return total / rows
    total = total + model.prior_count * prior_mean
    rows = rows + model.prior_count
    if model.coordinates == "natural":
        return total / rows
    return ((total - slope) / (rows + 2 * curve)).clamp(min=0)


def rows_for_mode(model: FamilyModel, curve: float) -> int:
    """The fewest rows for which :func:`posterior_mean` divides by a positive number."""
    if model.estimator != "map" or model.coordinates == "natural":
        return 1
    return max(1, int(-2 * curve - model.prior_count + 1))


def bisect(rising: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """The root of an increasing function in [low, high] for every chain, to the last bit.

    >>> bisect(lambda x: x**3 - 8, torch.zeros(1).double(), torch.full((1,), 9.0).double()).item()
    2.0
    """
    for _ in range(70):
        middle = (low + high) / 2
        below = rising(middle) < 0
        low = torch.where(below, middle, low)
        high = torch.where(below, high, middle)
    return high
