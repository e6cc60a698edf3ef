"""Another policy's rows, weighted by where they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import torch

from nc_testbed.policies.augment import Augment
from nc_testbed.policies.wrapper import Wrapper
from nc_testbed.rng import Streams
from nc_testbed.types import Policy, Training, require


@final
@dataclass(frozen=True)
class Weighted(Wrapper):
    """Real rows carry a chosen share of the total weight, whatever their number.

    inner: the policy that chooses the rows; it must take real ones. weight: the real rows' share
    of the total weight, 0 to 1; None = ``(sqrt(K^2 + 4 K) - K) / 2`` with K real rows per
    synthetic one, the weight of least risk (0.618 for K = 1, hence its name).

    In the literature: "golden ratio weighting" (He, Xu, Cheng 2025,
    https://arxiv.org/abs/2502.18049) with fresh real rows: ``policy@policy.inner=anchor
    policy.inner.source=fresh``.
    """

    inner: Policy = field(default_factory=Augment)
    weight: float | None = None

    asks_referee: ClassVar[bool] = False

    def __post_init__(self) -> None:
        ok = self.weight is None or 0 <= self.weight <= 1
        require(ok, "weight", self.weight, "give a number from 0 to 1, or null for the golden one")
        remedy = "it trains on no real row whose weight could be chosen; use anchor or augment"
        require(self.inner.trains_on_real, "inner", type(self.inner).__name__, remedy)

    def compose(self, archive: Any, streams: Streams, budget: int | None) -> Training:
        """The inner policy's rows, with weights by origin."""
        training = self.inner.compose(archive, streams, budget)
        real = (training.origin() == 0).double()
        few, many = real.sum(1, keepdim=True), (1 - real).sum(1, keepdim=True)
        K = few / many.clamp(min=1)
        golden = ((K.square() + 4 * K).sqrt() - K) / 2
        share = golden if self.weight is None else torch.full_like(K, self.weight)
        weights = real * share / few.clamp(min=1) + (1 - real) * (1 - share) / many.clamp(min=1)
        return training.weighted(weights)
