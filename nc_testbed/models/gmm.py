"""Gaussian mixture model fitted by
expectation-maximisation, all chains at once in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from nc_testbed.core.errors import require
from nc_testbed.core.exactness import product
from nc_testbed.core.family import means
from nc_testbed.core.interfaces import Fit, Progress, Sampling, no_progress
from nc_testbed.core.machine import at_once
from nc_testbed.core.rng import RandomStreams, parts
from nc_testbed.core.space import Space
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import ExactLaw, law
from nc_testbed.metrics.column import Column
from nc_testbed.models.climb import Climb, climb
from nc_testbed.models.covariance import Covariance, Diagonal, Full, log_normal
from nc_testbed.models.em import (
    EM,
    Components,
    StandardRows,
    features_of,
    kmeans_plus_plus,
    standardise,
)

LARGEST_FULL = 100
"""Most coordinates of a full covariance."""
AT_ONCE = 2**27
"""Bytes of a temporary in log_prob."""


@dataclass(frozen=True)
class GMM:
    """Gaussian mixture fitted by maximum likelihood (EM), ``sum_k w_k N(x; m_k, C_k)``.

    Every chain's rows are standardised (undone at the end), a k-means++ start assigns
    each row to its nearest centre, and EM climbs from there. One component gives the mean
    and the ddof = 0 covariance of the rows. Components without rows have weight 0; a
    component narrower than the floor is raised to it and counted in ``fit_floored``. A
    coordinate that never varies in a chain is a point mass. Dead, floored and collapsed
    are results: nothing raises, nothing is NaN.

    components: K >= 1. covariance: full (at most 100 coordinates), diagonal or spherical.
    max_iter: most EM steps, >= 1. tolerance: a chain stops when the mean log-likelihood
    of its rows changes by less (nats, 0 = never). floor: smallest variance of a component
    in any direction, as a share of the chain's own variance (1e-12 to 1), so that the
    collapse of a whole chain is never stopped. start: cold (k-means++ every generation)
    or warm (the last generation's fit).

    Source: Dempster, Laird and Rubin, JRSS B 39, 1977,
    https://doi.org/10.1111/j.2517-6161.1977.tb01600.x

    >>> GMM(components=0)
    Traceback (most recent call last):
    nc_testbed.core.errors.BadInput: components=0: give a whole number >= 1
    """

    provides: ClassVar[frozenset[str]] = frozenset({"likelihood", "exact", "parameters"})
    columns: ClassVar[dict[str, Column]] = {
        "fit_floored": Column(
            "`gmm`: components that were raised to the smallest allowed variance",
            low=0,
            unit="components",
            group="7 fit",
        ),
        "fit_dead": Column(
            "`gmm`: components of weight 0",
            low=0,
            unit="components",
            group="7 fit",
        ),
        "fit_steps": Column(
            "`gmm`: EM steps, at most `model.max_iter`",
            low=1,
            worse="either",
            group="7 fit",
        ),
        "fit_converged": Column(
            "`gmm`: 1 where EM ended by its tolerance, else 0",
            low=0,
            high=1,
            worse="lower",
            group="7 fit",
        ),
        "fit_log_likelihood": Column(
            "`gmm`: mean log-likelihood of the training rows",
            worse="either",
            unit="nats per row",
            group="7 fit",
        ),
    }

    components: int = 8
    covariance: Literal["full", "diagonal", "spherical"] = "full"
    max_iter: int = 100
    tolerance: float = 1e-6
    floor: float = 1e-10
    start: Literal["cold", "warm"] = "cold"

    def __post_init__(self) -> None:
        for key in ("components", "max_iter"):
            value = getattr(self, key)
            require(value >= 1, key, value, "give a whole number >= 1")
        for key, low, high in (("tolerance", 0, math.inf), ("floor", 1e-12, 1)):
            value = getattr(self, key)
            in_range = low <= value < high
            require(in_range, key, value, f"give a number >= {low} and < {high}")

    def check(self, space: Space) -> None:
        """Raise BadInput for full covariances of more than 100 coordinates."""
        ok = self.covariance != "full" or space.size <= LARGEST_FULL
        remedy = f"rows have {space.size} coordinates, full takes at most {LARGEST_FULL}: "
        remedy += "give data.projection=32 or model.covariance=diagonal"
        require(ok, "covariance", self.covariance, remedy)

    def stacks(self, space: Space) -> bool:
        """True: rows are padded to whole vectors, see
        :mod:`nc_testbed.core.exactness`."""
        return True

    def workspace(self, space: Space, m: int) -> int:
        """Bytes of the rows, their features, and their responsibilities."""
        D = space.size
        features = 1 + D + (D * (D + 1) // 2 if self.covariance == "full" else D)
        return 8 * m * (4 * D + features + 3 * self.components)

    def disk_bytes(self, space: Space, m: int) -> int:
        """Bytes of weights, means and covariances in float64."""
        D = space.size
        return 8 * self.components * (1 + D + (D * D if self.covariance == "full" else D))

    def fit(
        self,
        training: TrainingSet,
        streams: RandomStreams,
        previous: Fit | None = None,
        progress: Progress = no_progress,
    ) -> Mixture:
        """R independent fits; rows ``[R, m, D]`` are pixels
        in [0, 1] or vectors as they are."""
        values = training.space.floats(training.all(), torch.float64)
        one_scale = self.covariance == "spherical"
        rows = standardise(values, one_scale, training.weights)
        covariance = self._covariance(training.space.size)
        em = EM(rows, covariance, features_of(rows, covariance))
        if self.start == "warm" and isinstance(previous, Mixture):
            start = previous.as_start(em)
        else:
            draws = streams("kmeans++")
            start = em.hard(kmeans_plus_plus(rows, self.components, draws), self.components)
        climbed = climb(em, start, self.max_iter, self.tolerance, progress)
        return _mixture(training.space, rows, climbed)

    def exact_laws(self, truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
        """The variance of one Gaussian: EM gives a mixture the moments of its rows."""
        if "factor" not in truth:
            return {}
        fitted = context.gaussian(float(truth["factor"][0, 0]) ** 2, ddof=0)
        return {} if fitted is None else {"variance": law(fitted[0], fitted[2])}

    def restore(self, state: Mapping[str, Tensor], space: Space) -> Mixture:
        """The fit whose ``state_dict()`` this is."""
        return Mixture(space, **state)

    def _covariance(self, D: int) -> Covariance:
        if self.covariance == "full":
            return Full(self.floor, D)
        return Diagonal(self.floor, D, spherical=self.covariance == "spherical")


@dataclass(frozen=True, eq=False)
class Mixture:
    """R fitted Gaussian mixtures, in the units of the rows.

    weights ``[R, K]``; means ``[R, K, D]``; factors: lower Cholesky factors
    ``[R, K, D, D]`` of full covariances, or standard deviations ``[R, K, D]``; rows of
    zeros are point masses. floored ``[R, K]`` bool; steps ``[R]`` int64; converged
    ``[R]`` bool; log_likelihood ``[R]`` in nats per training row.
    """

    space: Space
    weights: Tensor
    means: Tensor
    factors: Tensor
    floored: Tensor
    steps: Tensor
    converged: Tensor
    log_likelihood: Tensor

    def covariances(self) -> Tensor:
        """Covariance matrices ``[R, K, D, D]``."""
        full = self.factors.dim() == 4
        factors = self.factors if full else self.factors.diag_embed()
        return product(factors, factors.mT)

    def sample(self, n: int, streams: RandomStreams, sampling: Sampling) -> Tensor:
        """n rows per chain ``[R, n, D]`` in stored form.

        ``sampling.decode="mean"`` gives the mean of the drawn component, without its
        noise.
        """
        component = streams("sample.component").categorical(self.weights, n)  # [R, n]
        index = component[..., None].expand(-1, -1, self.space.size)
        values = self.means.gather(1, index)
        if sampling.decode == "sample":
            noise = streams("sample.noise").normal(n, self.space.size, dtype=torch.float64)
            noise = noise * math.sqrt(sampling.temperature)
            values = values + self._colour(noise, component)
        return self.space.stored_form(values)

    def log_prob(self, rows: Tensor) -> Tensor:
        """Exact log density in nats of stored rows ``[H, D]`` under every chain,
        ``[R, H]``.

        Pixels count in units of [0, 1]. A coordinate that never varied in training is a
        point mass: it adds nothing where a row agrees with it, -inf elsewhere.
        """
        x = self.space.floats(rows, torch.float64).mT.contiguous()  # [D, H]
        size = at_once(8 * x.numel(), AT_ONCE, x.device)
        blocks = [self._log_prob(x, part) for part in parts(len(self.weights), size)]
        return torch.cat(blocks)

    def state_dict(self) -> dict[str, Tensor]:
        """Every tensor, chain axis first."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "space"}

    def report(self) -> dict[str, Tensor]:
        """Per chain ``[R]``: components floored and dead, EM steps, whether they
        converged, log-likelihood per row."""
        return {
            "fit_floored": self.floored.sum(-1).double(),
            "fit_dead": (self.weights == 0).sum(-1).double(),
            "fit_steps": self.steps.double(),
            "fit_converged": self.converged.double(),
            "fit_log_likelihood": self.log_likelihood,
        }

    def columns(self, true_parameters: object) -> dict[str, Tensor]:
        """``mean``, ``variance`` (mean over coordinates) and ``log_variance`` (ln det) of
        x.

        ``m = sum w_k m_k`` and ``sum w_k (C_k + m_k m_k^T) - m m^T``: after any EM step
        that hit no floor, the moments (ddof 0) of the rows fitted to. ``log_variance``
        leaves out coordinates that are point masses, and is -inf where all are.
        """
        w = self.weights[..., None]
        mean = (w * self.means).sum(1)
        gap = self.means - mean[:, None]
        total = (w[..., None] * (self.covariances() + gap[..., None] * gap[:, :, None])).sum(1)
        variance = total.diagonal(dim1=1, dim2=2).mean(1)
        log_variance = self._log_det(total)
        return means(mean) | {"variance": variance, "log_variance": log_variance}

    @property
    def is_point(self) -> Tensor:
        """Coordinates ``[R, D]`` bool in which every component is the same point."""
        full = self.factors.dim() == 4
        flat = (self.factors == 0).all(-1) if full else self.factors == 0
        return flat.all(1) & (self.means == self.means[:, :1]).all(1)

    def _log_det(self, total: Tensor) -> Tensor:
        """ln det ``[R]`` of covariances ``[R, D, D]`` over coordinates that vary."""
        point = self.is_point
        none = point[:, :, None] | point[:, None, :]
        total = torch.where(none, 0.0, total) + point.to(total).diag_embed()
        sign, value = torch.linalg.slogdet(total)
        return torch.where((sign > 0) & ~point.all(1), value, -torch.inf)

    def as_start(self, em: EM) -> Components:
        """This fit as a start for EM on other rows of the same chains."""
        rows = em.rows
        varies = rows.scale > 0
        shrink = torch.where(varies, 1 / torch.where(varies, rows.scale, 1.0), 0.0)[:, None]
        means = (self.means - rows.centre[:, None]) * shrink
        padding = -means.shape[-1] % 4
        if self.factors.dim() == 4:
            factors = pad(self.factors * shrink[..., None], (0, padding, 0, padding))
            covariances = factors @ factors.mT
        else:
            covariances = pad(self.factors * shrink, (0, padding)).square()
        return em.components(self.weights, pad(means, (0, padding)), covariances)

    def _colour(self, noise: Tensor, component: Tensor) -> Tensor:
        """Standard normals ``[R, n, D]`` with the covariances of these components."""
        if self.factors.dim() == 3:
            index = component[..., None].expand_as(noise)
            return noise * self.factors.gather(1, index)
        coloured = torch.zeros_like(noise)
        for k in range(self.weights.shape[1]):
            of_component = (component == k)[..., None]
            coloured = torch.where(
                of_component, product(noise, self.factors[:, k].mT), coloured
            )
        return coloured

    def _log_prob(self, x: Tensor, part: slice) -> Tensor:
        """Log density ``[r, H]`` under some chains, x ``[D, H]``."""
        weights = self.weights[part]
        means = self.means[part]
        factors = self.factors[part]
        joint = [
            weights[:, k, None].log() + log_normal(x - means[:, k, :, None], factors[:, k])
            for k in range(weights.shape[1])
        ]
        # Chains outermost, so that the order in which a chain is summed is the same for any R.
        return torch.stack(joint, dim=1).logsumexp(1)


def _mixture(space: Space, rows: StandardRows, climb: Climb) -> Mixture:
    """The fit in the units of the rows."""
    D = space.size
    scale = rows.scale[:, None]
    components = climb.components
    if components.factors.dim() == 4:
        factors = scale[..., None] * components.factors[..., :D, :D]
    else:
        factors = scale * components.factors[..., :D]
    return Mixture(
        space,
        weights=components.weights,
        means=rows.centre[:, None] + scale * components.means[..., :D],
        factors=factors.contiguous(),
        floored=components.floored,
        steps=climb.steps,
        converged=climb.converged,
        log_likelihood=climb.log_likelihood - rows.log_scale,
    )
