"""Another policy's rows, less the synthetic ones that a verifier turns down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import torch

from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Policy, Training
from nc_testbed.core.rng import RandomStreams
from nc_testbed.policies.replace import Replace
from nc_testbed.policies.wrapper import Wrapper


@final
@dataclass(frozen=True)
class Verified(Wrapper):
    """A verifier keeps right synthetic rows more often than wrong ones.

    A row counts as right where the frozen referee is sure of its class. inner: the policy
    that chooses the rows. min_confidence: confidence from which a row is right, 0 to 1.
    keep_correct, keep_incorrect: the chances that a right and a wrong row are kept; 1 and
    0 keep all that the referee is sure of. A chain whose rows are all turned down trains
    on them all: there is nothing else.

    In the literature: the verifier with keep rates phi and psi of Feng et al. 2024
    (https://arxiv.org/abs/2406.07515).
    """

    inner: Policy = field(default_factory=Replace)
    min_confidence: float = 0.9
    keep_correct: float = 1.0
    keep_incorrect: float = 0.0

    needs_classifier: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for key in ("min_confidence", "keep_correct", "keep_incorrect"):
            value = getattr(self, key)
            require(0 <= value <= 1, key, value, "give a number from 0 to 1")

    def compose(self, archive: Any, streams: RandomStreams, budget: int | None) -> Training:
        """The inner policy's rows; those turned down have weight 0."""
        training = self.inner.compose(archive, streams, budget)
        sure = archive.confidence_of(training.rows) >= self.min_confidence
        chance = torch.where(sure, self.keep_correct, self.keep_incorrect)
        u = streams("verify").uniform(training.size, dtype=torch.float64)
        accepted = (training.origin() == 0) | (u < chance)
        return training.with_weights(accepted.double())
