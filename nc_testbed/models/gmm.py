"""Gaussian mixture model fitted by expectation-maximisation, all chains at once in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from nc_testbed.core.errors import require
from nc_testbed.core.family import means
from nc_testbed.core.interfaces import Fit, Progress, Sampling, no_progress
from nc_testbed.core.machine import at_once
from nc_testbed.core.rng import RandomStreams, parts
from nc_testbed.core.space import Space
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.models.climb import Climb, climb
from nc_testbed.models.covariance import Covariance, Diagonal, Full, log_normal, product
from nc_testbed.models.em import EM, Components, Rows, features_of, kmeans_plus_plus, standardise

LARGEST_FULL = 100  # coordinates
AT_ONCE = 2**27  # bytes of a temporary in log_prob


@dataclass(frozen=True)
class GMM:
    """Gaussian mixture fitted by maximum likelihood (EM), ``sum_k w_k N(x; m_k, C_k)``.

    Every chain's rows are standardised (undone at the end), a k-means++ start assigns each row to
    its nearest centre, and EM climbs from there. One component gives the mean and the ddof = 0
    covariance of the rows. Components without rows have weight 0; a component narrower than the
    floor is raised to it and counted in ``fit_floored``. A coordinate that never varies in a
    chain is a point mass. Dead, floored and collapsed are results: nothing raises, nothing is NaN.

    components: K >= 1. covariance: full (at most 100 coordinates), diagonal or spherical.
    max_iter: most EM steps, >= 1. tolerance: a chain stops when the mean log-likelihood of its rows
    changes by less (nats, 0 = never). floor: smallest variance of a component in any direction,
    as a share of the chain's own variance (1e-12 to 1), so that the collapse of a whole chain is
    never stopped. start: cold (k-means++ every generation) or warm (the last generation's fit).

    Source: Dempster, Laird and Rubin, JRSS B 39, 1977, https://doi.org/10.1111/j.2517-6161.1977.tb01600.x

    >>> GMM(components=0)
    Traceback (most recent call last):
    nc_testbed.core.errors.BadInput: components=0: give a whole number >= 1
    """

    provides: ClassVar[frozenset[str]] = frozenset({"likelihood", "exact", "parameters"})

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
        few = self.covariance != "full" or space.size <= LARGEST_FULL
        remedy = f"rows have {space.size} coordinates, full takes at most {LARGEST_FULL}: "
        remedy += "give data.projection=32 or model.covariance=diagonal"
        require(few, "covariance", self.covariance, remedy)

    def stacks(self, space: Space) -> bool:
        """Rows are padded so that chains do not share a line of memory."""
        return True

    def workspace(self, space: Space, m: int) -> int:
        """The rows, their features, and their responsibilities."""
        D = space.size
        features = 1 + D + (D * (D + 1) // 2 if self.covariance == "full" else D)
        return 8 * m * (4 * D + features + 3 * self.components)

    def stored(self, space: Space, m: int) -> int:
        """Weights, means and covariances in float64."""
        D = space.size
        return 8 * self.components * (1 + D + (D * D if self.covariance == "full" else D))

    def fit(
        self,
        training: TrainingSet,
        streams: RandomStreams,
        previous: Fit | None = None,
        progress: Progress = no_progress,
    ) -> Mixture:
        """R independent fits; rows ``[R, m, D]`` are pixels in [0, 1] or vectors as they are."""
        values = training.space.floats(training.all(), torch.float64)
        common = self.covariance == "spherical"
        rows = standardise(values, common, training.weights)
        covariance = self._covariance(training.space.size)
        em = EM(rows, covariance, features_of(rows, covariance))
        if self.start == "warm" and isinstance(previous, Mixture):
            start = previous.standardised(em)
        else:
            draws = streams("kmeans++")
            start = em.hard(kmeans_plus_plus(rows, self.components, draws), self.components)
        ended = climb(em, start, self.max_iter, self.tolerance, progress)
        return _mixture(training.space, rows, ended)

    def restore(self, state: Mapping[str, Tensor], space: Space) -> Mixture:
        """The fit whose ``state_dict()`` this is."""
        return Mixture(space, **state)

    def _covariance(self, D: int) -> Covariance:
        if self.covariance == "full":
            return Full(self.floor, D)
        return Diagonal(self.floor, D, spherical=self.covariance == "spherical")


@dataclass(frozen=True, eq=False)
class Mixture:
    """R Gaussian mixtures in the units of the rows.

    weights ``[R, K]``; means ``[R, K, D]``; factors: lower Cholesky factors ``[R, K, D, D]`` of
    full covariances, or standard deviations ``[R, K, D]``; rows of zeros are point masses.
    floored ``[R, K]`` bool; steps ``[R]`` int64; converged ``[R]`` bool; log_likelihood ``[R]``
    in nats per training row.
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

        ``sampling.decode="mean"`` gives the mean of the drawn component, without its noise.
        """
        component = streams("sample.component").categorical(self.weights, n)  # [R, n]
        index = component[..., None].expand(-1, -1, self.space.size)
        values = self.means.gather(1, index)
        if sampling.decode == "sample":
            noise = streams("sample.noise").normal(n, self.space.size, dtype=torch.float64)
            noise = noise * math.sqrt(sampling.temperature)
            values = values + self._coloured(noise, component)
        return self.space.stored(values)

    def log_prob(self, rows: Tensor) -> Tensor:
        """Exact log density in nats of stored rows ``[H, D]`` under every chain, ``[R, H]``.

        Pixels count in units of [0, 1]. A coordinate that never varied in training is a point
        mass: it adds nothing where a row agrees with it, -inf elsewhere.
        """
        x = self.space.floats(rows, torch.float64).mT.contiguous()  # [D, H]
        size = at_once(8 * x.numel(), AT_ONCE, x.device)
        blocks = [self._log_prob(x, part) for part in parts(len(self.weights), size)]
        return torch.cat(blocks)

    def state_dict(self) -> dict[str, Tensor]:
        """Every tensor, chain axis first."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "space"}

    def report(self) -> dict[str, Tensor]:
        """Per chain ``[R]``: components floored and dead, steps, whether converged, likelihood."""
        return {
            "fit_floored": self.floored.sum(-1).double(),
            "fit_dead": (self.weights == 0).sum(-1).double(),
            "fit_steps": self.steps.double(),
            "fit_converged": self.converged.double(),
            "fit_log_likelihood": self.log_likelihood,
        }

    def columns(self, true_parameters: object) -> dict[str, Tensor]:
        """``mean``, ``variance`` (mean over coordinates) and ``log_variance`` (ln det) of x.

        ``m = sum w_k m_k`` and ``sum w_k (C_k + m_k m_k^T) - m m^T``: after any EM step that hit
        no floor, the moments (ddof 0) of the rows fitted to.
        """
        w = self.weights[..., None]
        mean = (w * self.means).sum(1)
        gap = self.means - mean[:, None]
        total = (w[..., None] * (self.covariances() + gap[..., None] * gap[:, :, None])).sum(1)
        variance = total.diagonal(dim1=1, dim2=2).mean(1)
        sign, value = torch.linalg.slogdet(total)
        log_det = torch.where(sign > 0, value, -torch.inf)
        return means(mean) | {"variance": variance, "log_variance": log_det}

    def standardised(self, em: EM) -> Components:
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

    def _coloured(self, noise: Tensor, component: Tensor) -> Tensor:
        """Standard normals ``[R, n, D]`` with the covariances of these components."""
        if self.factors.dim() == 3:
            index = component[..., None].expand_as(noise)
            return noise * self.factors.gather(1, index)
        coloured = torch.zeros_like(noise)
        for k in range(self.weights.shape[1]):
            drawn = (component == k)[..., None]
            coloured = torch.where(drawn, product(noise, self.factors[:, k].mT), coloured)
        return coloured

    def _log_prob(self, x: Tensor, part: slice) -> Tensor:
        """``[r, H]`` for some chains, x ``[D, H]``."""
        weights, means, factors = self.weights[part], self.means[part], self.factors[part]
        joint = [
            weights[:, k, None].log() + log_normal(x - means[:, k, :, None], factors[:, k])
            for k in range(weights.shape[1])
        ]
        return torch.stack(joint, dim=1).logsumexp(1)  # chains outermost: sums stay independent


def _mixture(space: Space, rows: Rows, climb: Climb) -> Mixture:
    """The fit in the units of the rows."""
    D = space.size
    scale, at = rows.scale[:, None], climb.components
    if at.factors.dim() == 4:
        factors = scale[..., None] * at.factors[..., :D, :D]
    else:
        factors = scale * at.factors[..., :D]
    return Mixture(
        space,
        weights=at.weights,
        means=rows.centre[:, None] + scale * at.means[..., :D],
        factors=factors.contiguous(),
        floored=at.floored,
        steps=climb.steps,
        converged=climb.converged,
        log_likelihood=climb.log_likelihood - rows.log_scale,
    )
