"""Another policy's rows, less the synthetic ones that a verifier turns down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import torch

from nc_testbed.policies.replace import Replace
from nc_testbed.policies.wrapper import Wrapper
from nc_testbed.rng import Streams
from nc_testbed.types import Policy, Training, require


@final
@dataclass(frozen=True)
class Verified(Wrapper):
    """A verifier keeps synthetic rows that are right more often than those that are wrong.

    A row counts as right where the frozen referee is sure of its class. inner: the policy that
    chooses the rows. least: confidence from which a row is right, 0 to 1. right, wrong: the
    chances that a right and a wrong row are kept; 1 and 0 keep all that the referee is sure of.
    A chain whose rows are all turned down trains on them all: there is nothing else.

    In the literature: the verifier with keep rates phi and psi of Feng et al. 2024
    (https://arxiv.org/abs/2406.07515).
    """

    inner: Policy = field(default_factory=Replace)
    least: float = 0.9
    right: float = 1.0
    wrong: float = 0.0

    asks_referee: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for key in ("least", "right", "wrong"):
            value = getattr(self, key)
            require(0 <= value <= 1, key, value, "give a number from 0 to 1")

    def compose(self, archive: Any, streams: Streams, budget: int | None) -> Training:
        """The inner policy's rows; those turned down have weight 0."""
        training = self.inner.compose(archive, streams, budget)
        sure = archive.confidence_of(training.rows) >= self.least
        chance = torch.where(sure, self.right, self.wrong)
        u = streams("verify").uniform(training.size, dtype=torch.float64)
        kept = (training.origin() == 0) | (u < chance)
        return training.weighted(kept.double())
