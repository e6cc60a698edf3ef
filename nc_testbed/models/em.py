"""Expectation-maximisation for R Gaussian mixtures at once: two matrix products per step.

Rows meet components only as features (1, z, products of z): the log densities of a row
are one product with them, the moments that a step needs another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from nc_testbed.core.exactness import per_vector
from nc_testbed.core.machine import at_once
from nc_testbed.core.rng import Generators, parts
from nc_testbed.models.covariance import Covariance

VECTOR = per_vector(torch.float64)
"""Numbers that the sides of a chain's matrices are multiples of."""

TINY = torch.finfo(torch.float64).tiny / torch.finfo(torch.float64).eps
"""Below it the last digits of a number are lost to underflow: rows no further apart are
equal, a component with no more responsibility has no rows."""

LOWEST = torch.finfo(torch.float64).min
"""Log weight of a component without rows: -inf
times the zeros that pad rows would be NaN."""

BLOCK = {"cpu": 2**20, "cuda": 2**32}
"""Bytes of responsibilities at once: on a CPU they and the features stay in its cache."""


@dataclass(frozen=True, eq=False)
class StandardRows:
    """Training rows of R chains, each coordinate of mean 0 and variance 1.

    z: ``[R, D, N']``, zero in the padding; N' is N rounded up to 8, for whole vectors
    (see :mod:`nc_testbed.core.exactness`). N: rows that count. centre, scale: ``[R, D]``,
    the mean and standard deviation of the rows; scale 0 where a coordinate is constant.
    weights: ``[R, 1, N']`` of mean 1, zero in the padding, or None.
    """

    z: Tensor
    N: int
    centre: Tensor
    scale: Tensor
    weights: Tensor | None = None

    @property
    def constant(self) -> Tensor:
        """Coordinates ``[R, D']`` bool that never vary, as those that round D up to 4."""
        return pad(self.scale == 0, (0, -self.scale.shape[1] % 4), value=True)

    @property
    def log_scale(self) -> Tensor:
        """Log density of a standardised row less that of the row, ``[R]``; constants
        count 0.

        A constant coordinate is a point mass, so that its ``-log(2 pi) / 2`` is taken out
        again.
        """
        log = torch.where(self.scale > 0, self.scale, 1.0).log().sum(-1)
        return log - self.constant.double().sum(-1) * math.log(2 * math.pi) / 2


def standardise(rows: Tensor, common: bool, weights: Tensor | None = None) -> StandardRows:
    """Centre and scale each chain's rows ``[R, N, D]`` by its own mean and standard
    deviation.

    EM is then free of the chain's scale: a chain may collapse to any size. ``common``
    uses one scale (root mean variance) for all coordinates, as spherical covariances
    need. Weights ``[R, N]`` of the rows are kept beside them.

    >>> rows = standardise(torch.tensor([[[0.0, 5.0], [2.0, 5.0]]], dtype=torch.float64), False)
    >>> rows.centre.tolist(), rows.scale.tolist()
    ([[1.0, 5.0]], [[1.0, 0.0]])
    """
    x = rows.mT.contiguous()  # [R, D, N]
    N = x.shape[-1]
    # A mean of equal numbers may round to another number: clamped it is exactly theirs.
    centre = x.mean(-1).clamp(x.amin(-1), x.amax(-1))
    x = x - centre[..., None]
    # Brought to about 1 first: squares of very small or very large rows would be lost.
    size = x.abs().amax(-1)
    if common:
        size = size.amax(-1, keepdim=True).expand_as(size)
    x = x / torch.where(size > TINY, size, 1.0)[..., None]
    variance = x.square().mean(-1)
    if common:
        variance = variance.mean(-1, keepdim=True).expand_as(variance)
    scale = torch.where(size > TINY, variance.sqrt(), 0.0)
    z = torch.where(
        scale[..., None] > 0, x / torch.where(scale > 0, scale, 1.0)[..., None], 0.0
    )
    if weights is not None:
        weights = pad(weights, (0, -N % VECTOR))[:, None]
    return StandardRows(pad(z, (0, -N % VECTOR)), N, centre, size * scale, weights)


def kmeans_plus_plus(rows: StandardRows, K: int, draws: Generators) -> Tensor:
    """Nearest of K starting centres, ``[R, N]`` int64 in 0..K-1.

    Centres are rows, each drawn in proportion to its squared distance (in standardised
    units) to the centres so far; uniformly where all distances are 0. Source: Arthur and
    Vassilvitskii, SODA 2007, https://dl.acm.org/doi/10.5555/1283383.1283494
    """
    z = rows.z[..., : rows.N]
    nearest = z.new_full((len(z), rows.N), torch.inf)
    assigned = torch.zeros_like(nearest, dtype=torch.int64)
    for k in range(K):
        total = nearest.sum(-1, keepdim=True)
        shares = torch.where((total > 0) & total.isfinite(), nearest, 1.0)
        if rows.weights is not None:
            shares = shares * rows.weights[:, 0, : rows.N]
        index = draws.categorical(shares, 1)  # [R, 1]
        centre = z.gather(2, index[:, None].expand(-1, z.shape[1], 1))
        distance = (z - centre).square().sum(1)
        assigned = torch.where(distance < nearest, k, assigned)
        nearest = torch.minimum(distance, nearest)
    return assigned


@dataclass(frozen=True, eq=False)
class Components:
    """K Gaussian components per chain, in standardised units.

    weights ``[R, K]``, means ``[R, K, D']``, factors as
    :mod:`nc_testbed.models.covariance` has them, floored ``[R, K]`` whether the floor
    raised the covariance.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor
    floored: Tensor

    def where(self, keep: Tensor, other: Components) -> Components:
        """These components in chains to keep ``[R]``, the other ones elsewhere."""
        pairs = [(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        picked = [torch.where(keep.view(-1, *[1] * (a.dim() - 1)), a, b) for a, b in pairs]
        return Components(*picked)

    def part(self, chains: Tensor) -> Components:
        """The components of some chains, bool ``[R]`` or positions."""
        return Components(*(getattr(self, f.name)[chains] for f in fields(self)))

    @staticmethod
    def join(parts: Sequence[Components]) -> Components:
        """The components of all chains of the parts, in their order."""
        tensors = zip(*([getattr(p, f.name) for f in fields(p)] for p in parts), strict=True)
        return Components(*(torch.cat(tensor) for tensor in tensors))


@dataclass(frozen=True, eq=False)
class EM:
    """EM on the rows of R chains; components that lose all their rows stay at weight 0.

    features: those of :func:`features_of`.
    """

    rows: StandardRows
    covariance: Covariance
    features: Tensor

    def expect(self, components: Components) -> tuple[Tensor, Tensor]:
        """Moments ``[R, K, F]`` of the rows by
        responsibility, and log-likelihood per row [R]."""
        weights, offset = self.covariance.quadratic(components.means, components.factors)
        offset = offset + components.weights.log().clamp(min=LOWEST)
        weights = torch.cat([offset[..., None], weights], dim=-1)
        weights = pad(weights, (0, self.features.shape[1] - weights.shape[-1]))
        R, K, _ = weights.shape
        device = weights.device
        bytes_per_chain = 8 * K * self.features.shape[-1]
        size = at_once(bytes_per_chain, BLOCK[device.type], device)
        blocks = [self._expect(weights[part], part) for part in parts(R, size)]
        moments, log_likelihood = zip(*blocks, strict=True)
        return torch.cat(moments), torch.cat(log_likelihood)

    def _expect(self, weights: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """:meth:`expect` for some chains, from the weights
        ``[r, K, F]`` of the features."""
        features = self.features[part]
        joint = torch.bmm(weights, features)  # log of weight times density
        shares = joint.softmax(1)
        # log sum exp without a second pass: the largest share is exp(largest) / sum, so
        # log sum = largest - log(largest share).
        by_row = joint.amax(1) - shares.amax(1).log()
        if self.rows.weights is not None:
            shares.mul_(self.rows.weights[part])
            by_row = by_row * self.rows.weights[part, 0]
        log_likelihood = by_row[:, : self.rows.N].contiguous().mean(-1)
        return torch.bmm(shares, features.mT), log_likelihood

    def maximise(self, moments: Tensor) -> Components:
        """The components of largest likelihood given
        moments ``[R, K, F]``, the first the count."""
        counts = moments[..., 0]
        alive = counts > TINY
        moments = moments[..., 1:] / torch.where(alive, counts, 1.0)[..., None]
        D = self.rows.z.shape[1]
        means = pad(moments[..., :D], (0, -D % 4))
        weights = torch.where(alive, counts, 0.0)
        weights = weights / weights.sum(-1, keepdim=True)
        return self.components(weights, means, self.covariance.covariances(moments, means))

    def components(self, weights: Tensor, means: Tensor, covariances: Tensor) -> Components:
        """Components with covariances raised to the floor where they are below it."""
        factors, floored = self.covariance.raise_to_floor(covariances, self.rows.constant)
        return Components(weights, means, factors, floored & (weights > 0))

    def hard(self, assigned: Tensor, K: int) -> Components:
        """The components of rows assigned one by one, ``[R, N]`` int64."""
        one_hot = (
            assigned[:, None] == torch.arange(K, device=assigned.device)[:, None]
        ).double()
        shares = pad(one_hot, (0, self.features.shape[-1] - self.rows.N))
        if self.rows.weights is not None:
            shares = shares * self.rows.weights
        return self.maximise(torch.bmm(shares, self.features.mT))

    def part(self, chains: Tensor) -> EM:
        """EM on some of the chains, bool ``[R]``."""
        rows = {name: getattr(self.rows, name)[chains] for name in ("z", "centre", "scale")}
        if self.rows.weights is not None:
            rows["weights"] = self.rows.weights[chains]
        return EM(replace(self.rows, **rows), self.covariance, self.features[chains])


def features_of(rows: StandardRows, covariance: Covariance) -> Tensor:
    """1, z and its products, zero in the padding, ``[R, F, N']``."""
    features = covariance.features(rows.z)
    counts = (torch.arange(features.shape[-1], device=features.device) < rows.N).to(features)
    ones = counts.expand(len(features), 1, -1)
    extra = -(1 + features.shape[1]) % VECTOR
    return pad(torch.cat([ones, features], dim=1), (0, 0, 0, extra))
