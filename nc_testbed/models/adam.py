"""Adam on the weights of R networks at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

LINE = 16  # float32 numbers in 64 bytes


class Adam:
    """R networks on their way down, weights ``[R, ..., b]`` by name (Kingma & Ba 2015).

    No chain feels another: every number has moments of its own, and nothing is clipped.
    weight_decay: ``weight_decay / 2`` times the squared weights is added to the loss.
    """

    def __init__(self, start: Mapping[str, Tensor], rate: float, weight_decay: float):
        self._widths = {name: weight.shape[-1] for name, weight in start.items()}
        self._start = {name: padded(weight) for name, weight in start.items()}
        self._leaves = {k: v.clone().requires_grad_() for k, v in self._start.items()}
        # capturable keeps the step counter on a GPU, so that no step waits for it.
        on_gpu = next(iter(start.values())).is_cuda
        self._adam = torch.optim.Adam(
            self._leaves.values(), rate, weight_decay=weight_decay, fused=True, capturable=on_gpu
        )

    def weights(self) -> dict[str, Tensor]:
        """The weights as they are, to be differentiated by."""
        return {name: leaf[..., : self._widths[name]] for name, leaf in self._leaves.items()}

    def step(self, loss: Tensor) -> None:
        """One update down the gradient of a loss that is summed over chains."""
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()

    @torch.no_grad()
    def restart(self) -> None:
        """Put weights and moments back to where they began, in the same memory."""
        for name, leaf in self._leaves.items():
            leaf.copy_(self._start[name])
            for moment in self._adam.state[leaf].values():
                moment.zero_()

    def fitted(self) -> dict[str, Tensor]:
        """The weights as they are, in memory of their own."""
        return {name: weight.detach().contiguous() for name, weight in self.weights().items()}


def padded(weight: Tensor) -> Tensor:
    """``[R, .., b]`` with b widened until a chain's part fills whole 64-byte vectors.

    Adam's CPU kernel rounds the last few numbers of a tensor otherwise than the rest, and which
    numbers come last must not depend on how many chains there are.

    >>> padded(torch.ones(2, 3)).shape
    torch.Size([2, 16])
    """
    if math.prod(weight.shape[1:]) % LINE == 0:
        return weight
    return torch.nn.functional.pad(weight, (0, -weight.shape[-1] % LINE))
