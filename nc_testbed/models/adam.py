"""Adam on the weights of R networks at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nc_testbed.core.status import finite

LINE = 16  # float32 numbers in 64 bytes


class Adam:
    """R networks on their way down, weights ``[R, ..., b]`` by name (Kingma & Ba 2015).

    No chain feels another: every number has moments of its own, and nothing is clipped.
    weight_decay: ``weight_decay / 2`` times the squared weights is added to the loss.

    A chain whose loss, or any of whose gradients, is NaN or infinite stops before the update that
    they would make, and keeps its weights for good; ``stopped`` ``[R]`` are those that have
    stopped already. To look at all gradients in every step would cost each of them another pass.
    So a block of steps is looked at once, at its end: such a gradient leaves NaN in its weight for
    ever, since its moments stay infinite or NaN. Where one is found the block is taken again from
    what was kept at its beginning, and this time every step is looked at.
    """

    def __init__(
        self,
        start: Mapping[str, Tensor],
        rate: float,
        weight_decay: float,
        stopped: Tensor | None = None,
    ):
        self._widths = {name: weight.shape[-1] for name, weight in start.items()}
        self._leaves = {k: padded(v).clone().requires_grad_() for k, v in start.items()}
        # capturable keeps the step counter on a GPU, so that no step waits for it.
        first = next(iter(start.values()))
        self._adam = torch.optim.Adam(
            self._leaves.values(),
            rate,
            weight_decay=weight_decay,
            fused=True,
            capturable=first.is_cuda,
        )
        every = torch.ones(len(first), dtype=torch.bool, device=first.device)
        self._moving = every if stopped is None else ~stopped
        self._all_move = stopped is None or not bool(stopped.any())
        self._finite = every.clone()  # all losses since weights were kept
        self._kept: dict[str, dict[str, Tensor]] = {name: {} for name in start}

    @property
    def stopped(self) -> Tensor:
        """Chains that have stopped, ``[R]`` bool."""
        return ~self._moving

    def weights(self) -> dict[str, Tensor]:
        """The weights as they are, to be differentiated by."""
        return {name: leaf[..., : self._widths[name]] for name, leaf in self._leaves.items()}

    def step(self, losses: Tensor) -> None:
        """One update of every chain down the gradient of its loss, ``[R]``."""
        self._adam.zero_grad()
        losses.sum().backward()
        self._adam.step()
        self._finite.logical_and_(losses.detach().isfinite())

    @torch.no_grad()
    def keep(self) -> None:
        """Remember weights and moments as they are, to come back to."""
        for name, leaf in self._leaves.items():
            now, kept = {"weight": leaf.detach(), **self._adam.state[leaf]}, self._kept[name]
            for key, values in now.items():
                if key in kept:  # fresh memory would cost more than what is copied
                    kept[key].copy_(values)
                else:
                    kept[key] = values.clone()
        self._finite.fill_(True)

    @torch.no_grad()
    def restart(self) -> None:
        """Put weights and moments back to what was kept, in the same memory."""
        for name, leaf in self._leaves.items():
            kept = self._kept[name]
            leaf.copy_(kept["weight"])
            for key, moment in self._adam.state[leaf].items():
                moment.copy_(kept[key]) if key in kept else moment.zero_()
        self._finite.fill_(True)

    def lost(self) -> bool:
        """Whether a chain should have stopped since weights were kept; waits for the device."""
        return bool((self._moving & ~self._sound()).any())

    @torch.no_grad()
    def watched(self, step: Callable[[], None]) -> None:
        """Take one step, and stop the chains that are no longer finite where they were before."""
        before = {name: leaf.detach().clone() for name, leaf in self._leaves.items()}
        with torch.enable_grad():
            step()
        self._moving &= self._sound()
        self._all_move = False
        self._hold(before)

    def hold(self) -> None:
        """Put the chains that have stopped back to what was kept of them."""
        if not self._all_move:
            self._hold({name: kept["weight"] for name, kept in self._kept.items()})

    def fitted(self) -> dict[str, Tensor]:
        """The weights as they are, in memory of their own."""
        return {name: weight.detach().contiguous() for name, weight in self.weights().items()}

    def _sound(self) -> Tensor:
        """Chains whose losses since weights were kept, and whose weights, are finite, ``[R]``."""
        weights = [finite(leaf) for leaf in self._leaves.values()]
        return torch.stack([self._finite, *weights]).all(0)

    @torch.no_grad()
    def _hold(self, weights: Mapping[str, Tensor]) -> None:
        for name, leaf in self._leaves.items():
            moving = self._moving.view(-1, *[1] * (leaf.dim() - 1))
            leaf.copy_(torch.where(moving, leaf, weights[name]))


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
