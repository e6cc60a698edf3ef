"""Another policy's rows, resampled to the real class shares."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

import torch

from nc_testbed.core.interfaces import Policy, Training
from nc_testbed.core.rng import RandomStreams
from nc_testbed.policies.replace import Replace
from nc_testbed.policies.wrapper import Wrapper


@final
@dataclass(frozen=True)
class Reparation(Wrapper):
    """Synthetic rows are resampled so that their classes have the real shares again.

    Classes are the frozen referee's; a class that no synthetic row belongs to stays away,
    its share going to the others. Rows are drawn with replacement. inner: the policy that
    chooses the rows; its real rows stay as they are.

    In the literature: "algorithmic reparation" (Wyllie et al. 2024,
    https://arxiv.org/abs/2403.07857).
    """

    inner: Policy = field(default_factory=Replace)

    needs_classifier: ClassVar[bool] = True

    def compose(self, archive: Any, streams: RandomStreams, budget: int | None) -> Training:
        """The inner policy's rows; synthetic ones are drawn again, for balance."""
        training = self.inner.compose(archive, streams, budget)
        synthetic = training.origin() > 0
        label = archive.label_of(training.rows)  # [R, m]
        count = torch.zeros_like(archive.shares).scatter_add_(1, label, synthetic.double())
        weight = archive.shares / count.clamp(min=1)
        chance = torch.where(synthetic, weight.gather(1, label), 0.0)
        # A chain without any synthetic row draws from its real ones, which are put back below.
        chance = torch.where(synthetic.any(1, keepdim=True), chance, 1.0)
        index = streams("reparation").categorical(chance, training.size)
        rows = torch.where(synthetic, training.rows.gather(1, index), training.rows)
        return replace(training, rows=rows)
