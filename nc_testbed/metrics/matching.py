"""Samples matched with real rows, one to one, and the ruler that real rows make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from torch import Tensor

from nc_testbed.core.rng import SHARED, RandomStreams
from nc_testbed.metrics.neighbours import left, right

QUANTILE = 0.9
"""Of real rows' distances to their nearest neighbour: no ball of a sample is larger."""
SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.6, 2.0)
"""u, the numbers of real rows at which the ruler is marked, over those of a perfect fit."""
SUBSETS = 6
"""Sets of real rows behind every mark."""
RADIUS_SUBSETS = 8
"""Sets of real rows behind the largest radius."""
TIE = 1e-9
"""Squared distances that differ by less, relatively, are equal: features are float32."""


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """``|a_i - b_j|^2``, ``[N, M]`` float64 of centred points ``[N, F]`` and ``[M, F]``."""
    return (left(a) @ right(b).T).clamp(min=0)


def nearest_others(distances: Tensor) -> Tensor:
    """Squared distance ``[M]`` of every point to its nearest other one, of ``[M, M]``, 0
    for a point that is alone: it has no ball.

    >>> nearest_others(torch.tensor([[0.0, 4.0], [4.0, 0.0]]))
    tensor([4., 4.])
    >>> nearest_others(torch.tensor([[0.0]]))
    tensor([0.])
    """
    if len(distances) < 2:
        return torch.zeros_like(distances.sum(1))
    return distances.clone().fill_diagonal_(torch.inf).amin(1)


def distinct(distances: Tensor) -> Tensor:
    """Which points ``[M]`` are no repeats of an earlier one, of squared distances ``[M,
    M]``.

    >>> points = torch.tensor([[1.0], [2.0], [1.0]])
    >>> distinct(squared_distances(points, points))
    tensor([ True,  True, False])
    """
    rounding = TIE * distances.amax() if len(distances) else 0.0
    repeats = (distances <= rounding).triu(1)
    return ~repeats.any(0)


def matched_rows(distances: Tensor, radii: Tensor) -> int:
    """Size of a largest matching of N rows with M samples in whose balls they lie.

    Hopcroft and Karp (1973, https://doi.org/10.1137/0202019). distances: squared, ``[N,
    M]``. radii: squared, ``[M]``; a row lies in a ball where its distance is strictly
    below the radius.

    >>> both = torch.tensor([[0.0, 9.0], [0.1, 9.0]])  # two rows near one sample
    >>> matched_rows(both, torch.tensor([1.0, 1.0]))
    1
    """
    inside = distances < radii * (1 - TIE)
    if not inside.any():
        return 0
    graph = csr_matrix(inside.cpu().numpy())
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


@dataclass(frozen=True)
class Ruler:
    """What a matched share means for one class: the share of real rows, by their number.

    covered: features ``[N, F]`` of the rows to be covered. calibrators ``[K, F]``: other
    real rows, as the referee labels them. right: the share of them that it labelled so.
    expected: m, rows of the class that a perfect fit has.
    """

    covered: Tensor
    calibrators: Tensor
    right: float
    expected: float

    def matched_share(self, samples: Tensor) -> float:
        """S: covered rows matched with distinct samples ``[M, F]``, over all of them, 0
        to 1."""
        among = squared_distances(samples, samples)
        is_new = distinct(among)
        across = squared_distances(self.covered, samples[is_new])
        return self._share(among[is_new][:, is_new], across)

    def score(self, share: float) -> float:
        """``f^-1(S)``: how many real rows would be matched as often, over the m of a
        perfect fit; 0 to 2."""
        marks, means = self._marks
        return float(np.interp(share, means, marks))

    def _share(self, among: Tensor, across: Tensor) -> float:
        """S of samples with these squared distances among them ``[M, M]`` and to the
        rows."""
        radii = nearest_others(among).clamp(max=self._largest)
        return matched_rows(across, radii) / max(1, len(self.covered))

    @cached_property
    def _largest(self) -> float:
        """The .9 quantile of squared nearest-neighbour distances among m real rows."""
        pooled = torch.cat([self.covered, self.calibrators])
        m = min(len(pooled), max(2, round(self.expected)))
        if len(pooled) < 2:
            return 0.0
        among = squared_distances(pooled, pooled)
        orders = self._orders("radius", len(pooled), RADIUS_SUBSETS)
        radii = [nearest_others(among[order[:m]][:, order[:m]]) for order in orders]
        return float(torch.cat(radii).quantile(QUANTILE))

    @cached_property
    def _marks(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """u and f(u), f rising strictly, as far as there are calibrators."""
        among = squared_distances(self.calibrators, self.calibrators)
        across = squared_distances(self.covered, self.calibrators)
        orders = self._orders("marks", len(among), SUBSETS)
        marks = []
        means = []
        for u in SHARES:
            m = round(u * self.expected * self.right)
            if m > len(among):
                break
            parts = (order[:m] for order in orders)
            shares = [self._share(among[part][:, part], across[:, part]) for part in parts]
            marks.append(u)
            means.append(float(np.mean(shares)))
        rising = np.maximum.accumulate(means) + 1e-12 * np.arange(len(means))
        return np.array(marks), rising

    def _orders(self, purpose: str, rows: int, count: int) -> list[Tensor]:
        """So many random orders of the rows, always the same."""
        draws = RandomStreams(0, (SHARED,), device=self.covered.device)(f"ruler/{purpose}")
        return [draws.permutation(rows)[0] for _ in range(count)]
