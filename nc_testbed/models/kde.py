"""Kernel density estimate: the model that diffuses instead of collapsing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.exactness import row_blocks
from nc_testbed.core.family import means
from nc_testbed.core.interfaces import Fit, Progress, Sampling, no_progress
from nc_testbed.core.machine import at_once, each
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.law import ExactLaw, law
from nc_testbed.metrics.column import Column
from nc_testbed.theory import replace

EXACT = "donot_use_mm_for_euclid_dist"
"""How torch.cdist computes distances: by |a|^2 + |b|^2 - 2 ab, no faster here, rows far
from zero would lose every digit."""

BLOCK = 2**18
"""Distances in memory at once (2 MB) on a CPU, 64 times as many on a GPU."""


@final
@dataclass(frozen=True)
class KDE:
    """A Gaussian kernel on every row.

    bandwidth: its standard deviation, the same in every coordinate; None = by the rule,
    which multiplies each coordinate's own standard deviation (ddof 0): ``scott`` by
    ``m^(-1/(d+4))`` (D. Scott 1992), ``silverman`` by that times
    ``(4 / (d+2))^(1/(d+4))`` (B. Silverman 1986, https://doi.org/10.1201/9781315140919).
    """

    bandwidth: float | None = 0.1
    rule: Literal["scott", "silverman"] = "scott"

    provides: ClassVar[frozenset[str]] = frozenset({"likelihood", "exact", "parameters"})
    columns: ClassVar[dict[str, Column]] = {
        "fit_bandwidth": Column(
            "`kde`: geometric mean of the bandwidths over the coordinates that vary; 0 where "
            "none does",
            low=0,
            worse="either",
            group="7 fit",
        ),
    }

    def __post_init__(self) -> None:
        ok = self.bandwidth is None or self.bandwidth > 0
        require(ok, "bandwidth", self.bandwidth, "give a number > 0, or null for the rule")

    def check(self, space: Space) -> None:
        """Raise BadInput for pixels: rows are not clipped to them."""
        require(
            not space.image,
            "_target_",
            "KDE",
            "these rows are pixels; add data.projection=32",
        )

    def stacks(self, space: Space) -> bool:
        """True: no sum or product runs over chains."""
        return True

    def workspace(self, space: Space, m: int) -> int:
        """Bytes of the rows, and of the noise of those that are drawn."""
        return 4 * 8 * m * space.size

    def disk_bytes(self, space: Space, m: int) -> int:
        """Bytes of the rows in float64, their weights and the bandwidths."""
        return 8 * (m * space.size + m + space.size)

    def fit(
        self,
        training: TrainingSet,
        streams: RandomStreams,
        previous: Fit | None = None,
        progress: Progress = no_progress,
    ) -> KDEFit:
        """The rows themselves and the bandwidth ``[R, D]`` of every coordinate."""
        rows = training.all()
        if self.bandwidth is None:
            spread = rows.std(1, correction=0)
            # The deviation of equal numbers may round to more than 0.
            spread = torch.where(rows.amax(1) > rows.amin(1), spread, 0.0)
            width = self.factor(training.size, training.space.size) * spread
        else:
            width = torch.full_like(rows[:, 0], self.bandwidth)
        ones = torch.ones_like(rows[..., 0])
        weights = ones if training.weights is None else training.weights
        return KDEFit(training.space, rows, width, weights)

    def factor(self, m: int, d: int) -> float:
        """The rule's bandwidth for m rows of d coordinates of standard deviation 1.

        >>> KDE(bandwidth=None).factor(32, 1)
        0.5
        """
        scott = m ** (-1 / (d + 4))
        return scott if self.rule == "scott" else scott * (4 / (d + 2)) ** (1 / (d + 4))

    def exact_laws(self, truth: Mapping[str, Any], context: LawContext) -> dict[str, ExactLaw]:
        """Under replace, the variance of a kernel density
        with one bandwidth on Gaussian data."""
        if not context.replaces or self.bandwidth is None or "factor" not in truth:
            return {}
        variance = float(truth["factor"][0, 0]) ** 2
        values = replace.kde_fit_variance(context.t, context.sizes[0], self.bandwidth, variance)
        return {"variance": law(replace.kde_fit_variance, values)}

    def restore(self, state: Mapping[str, Tensor], space: Space) -> KDEFit:
        """The fit whose ``state_dict()`` this is."""
        return KDEFit(space, state["rows"], state["bandwidth"], state["weights"])


@dataclass(frozen=True)
class KDEFit:
    """R kernel density estimates: rows ``[R, m, D]``,
    bandwidths ``[R, D]``, weights ``[R, m]``."""

    space: Space
    rows: Tensor
    bandwidth: Tensor
    weights: Tensor

    def sample(self, n: int, streams: RandomStreams, sampling: Sampling) -> Tensor:
        """n rows per chain ``[R, n, D]``: a training row at random plus its kernel's
        noise.

        Without the noise with ``decode=mean``.
        """
        draws = streams("sample")
        pick = draws.categorical(self.weights, n)
        D = self.rows.shape[2]
        centre = self.rows.gather(1, pick[..., None].expand(-1, -1, D))
        if sampling.decode == "mean":
            return centre
        noise = draws.normal(n, D, dtype=torch.float64)
        width = self.bandwidth[:, None] * math.sqrt(sampling.temperature)
        return self.space.stored_form(centre + width * noise)

    def state_dict(self) -> dict[str, Tensor]:
        """Rows, bandwidths and weights."""
        return {"rows": self.rows, "bandwidth": self.bandwidth, "weights": self.weights}

    def report(self) -> dict[str, Tensor]:
        """``fit_bandwidth``: the geometric mean over the coordinates that vary."""
        varies = self.bandwidth > 0
        logs = torch.where(varies, self.bandwidth, 1.0).log().sum(1)
        geometric = (logs / varies.sum(1)).exp()  # NaN where none varies
        return {"fit_bandwidth": torch.where(varies.any(1), geometric, 0.0)}

    def log_prob(self, rows: Tensor) -> Tensor:
        """Log density ``[R, H]`` of stored rows ``[H, D]``, nats, in blocks of all pairs.

        A coordinate of bandwidth 0 is a point mass at each training row's value: it adds
        nothing where a row agrees with that, -inf elsewhere.
        """
        m = self.rows.shape[1]
        pairs = BLOCK if rows.device.type == "cpu" else 64 * BLOCK
        size = at_once(8 * m, 8 * pairs, rows.device)

        def of_chain(r: int) -> Tensor:
            blocks = row_blocks(len(rows), size)
            return torch.cat([self._log_prob(rows[block], r) for block in blocks])

        return torch.stack(each(of_chain, range(len(self.rows)), rows.device))

    def _log_prob(self, rows: Tensor, r: int) -> Tensor:
        """Log density ``[B]`` of rows ``[B, D]`` under one chain."""
        varies = self.bandwidth[r] > 0
        width = self.bandwidth[r, varies]
        log_weights = (self.weights[r] / self.weights[r].sum()).log()
        points = rows[:, varies] / width
        centres = self.rows[r][:, varies] / width
        squares = torch.cdist(points, centres, compute_mode=EXACT).square()
        mixed = log_weights - squares / 2
        if not varies.all():
            apart = torch.cdist(rows[:, ~varies], self.rows[r][:, ~varies], p=torch.inf)
            mixed = torch.where(apart > 0, -torch.inf, mixed)
        constant = len(width) / 2 * math.log(2 * math.pi)
        return mixed.logsumexp(1) - width.log().sum() - constant

    def columns(self, true_parameters: object) -> dict[str, Tensor]:
        """``mean`` and, per coordinate, ``variance``: the
        rows' (ddof 0) plus bandwidth^2."""
        shares = (self.weights / self.weights.sum(1, keepdim=True))[..., None]
        mean = (shares * self.rows).sum(1)
        spread = (shares * (self.rows - mean[:, None]).square()).sum(1)
        return means(mean) | {"variance": (spread + self.bandwidth.square()).mean(1)}
