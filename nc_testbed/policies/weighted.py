"""Another policy's rows, weighted by where they came from or by how real they look."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, final

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Policy, Training
from nc_testbed.core.machine import each
from nc_testbed.core.rng import RandomStreams
from nc_testbed.policies.augment import Augment
from nc_testbed.policies.ratio import log_density_ratio
from nc_testbed.policies.wrapper import Wrapper


@final
@dataclass(frozen=True)
class Weighted(Wrapper):
    """Real rows carry a chosen share of the total weight, whatever their number.

    inner: the policy that chooses the rows. real_weight: the real rows' share of the
    total weight, 0 to 1. by: how the rest is shared out among the synthetic rows:

    - ``origin``: equally; inner must take real rows, and real_weight None =
      ``(sqrt(K^2 + 4 K) - K) / 2`` with K real rows per synthetic one, the weight of
      least risk (0.618 for K = 1, hence its name).
    - ``ratio``: in proportion to an estimate of ``p_real(x) / p_synthetic(x)`` (see
      :func:`nc_testbed.policies.ratio.log_density_ratio`) from a classifier that tells
      generation 0's real rows from the synthetic rows chosen, one per chain; real_weight
      None = real rows have weight 1 each and synthetic ones 1 on average, shares by
      number.

    With ``by=ratio`` inner may also be ``replace``: then no real row is trained on, but
    the real rows teach the classifier in every generation, so the loop is not without
    real data. Weights are neither clipped nor smoothed: where laws lie far apart a few
    rows carry all of it (the effective sample size collapses), and a class without rows
    has no weight to give.

    In the literature: origin is "golden ratio weighting" (He, Xu, Cheng 2025,
    https://arxiv.org/abs/2502.18049) with fresh real rows:
    ``policy@policy.inner=anchor policy.inner.source=fresh``. ratio is "likelihood-free
    importance weighting" (Grover et al. 2019, https://arxiv.org/abs/1906.09531),
    self-normalised.
    """

    inner: Policy = field(default_factory=Augment)
    real_weight: float | None = None
    by: Literal["origin", "ratio"] = "origin"

    needs_classifier: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require(self.by in ("origin", "ratio"), "by", self.by, "give origin or ratio")
        valid = self.real_weight is None or 0 <= self.real_weight <= 1
        default = "the golden one" if self.by == "origin" else "shares by number"
        remedy = f"give a number from 0 to 1, or null for {default}"
        require(valid, "real_weight", self.real_weight, remedy)
        real = self.inner.trains_on_real
        inner = type(self.inner).__name__
        remedy = "it trains on no real row whose weight could be chosen; use anchor or augment"
        require(real or self.by == "ratio", "inner", inner, f"{remedy}, or by=ratio")
        remedy = f"{inner} trains on no real row whose weight could be chosen; give null"
        require(real or self.real_weight is None, "real_weight", self.real_weight, remedy)

    def compose(self, archive: Any, streams: RandomStreams, budget: int | None) -> Training:
        """The inner policy's rows, with weights by origin or by density ratio."""
        training = self.inner.compose(archive, streams, budget)
        real = (training.origin() == 0).double()
        n_real = real.sum(1, keepdim=True)
        n_synthetic = (1 - real).sum(1, keepdim=True)
        share = self._real_share(n_real, n_synthetic)
        synthetic = 1 - real
        if self.by == "ratio":
            synthetic = importance(training, archive.view(archive.original()))
        of_real = real * share / n_real.clamp(min=1)
        of_synthetic = synthetic * (1 - share) / n_synthetic.clamp(min=1)
        return training.with_weights(of_real + of_synthetic)

    def _real_share(self, n_real: Tensor, n_synthetic: Tensor) -> Tensor:
        """The real rows' share of the total weight, ``[R, 1]``."""
        K = n_real / n_synthetic.clamp(min=1)
        if self.real_weight is not None:
            return torch.full_like(K, self.real_weight)
        if self.by == "ratio":
            return n_real / (n_real + n_synthetic)
        return ((K.square() + 4 * K).sqrt() - K) / 2


def importance(training: Training, original: Training) -> Tensor:
    """Weights ``[R, m]`` float64 of rows in proportion to their estimated density ratio.

    Self-normalised: mean 1 over a chain's synthetic rows; 0 for real rows. training: the
    rows to weigh; original: generation 0's real rows. Chains are estimated one by one.
    """

    def of_chain(chain: int) -> Tensor:
        alone = slice(chain, chain + 1)
        rows, real = (
            part.space.floats(part.part(alone).all()[0], torch.float64).cpu().numpy()
            for part in (training, original)
        )
        synthetic = training.origin()[chain].cpu() > 0
        weights = torch.zeros(len(rows), dtype=torch.float64)
        if synthetic.any():
            ratio = torch.from_numpy(log_density_ratio(real, rows[synthetic.numpy()]))
            weights[synthetic] = ratio.softmax(0) * len(ratio)
        return weights

    with threadpool_limits(1):  # of numpy's and scipy's libraries, which torch's limit spares
        weights = each(of_chain, range(len(training.rows)), torch.device("cpu"))
    return torch.stack(weights).to(training.rows.device)
