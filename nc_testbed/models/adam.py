"""Adam on the weights of R networks at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nc_testbed.core.exactness import pad_chains
from nc_testbed.core.status import finite


class Adam:
    """Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980) for R networks at once.

    start: weights ``[R, ..., b]`` by name. rate: the learning rate. weight_decay:
    ``weight_decay / 2`` times the squared weights is added to the loss. stopped: chains
    ``[R]`` bool that stay as they are, None for none. No chain feels another: every
    number has moments of its own, and nothing is clipped.

    A chain whose loss, or any of whose gradients, is NaN or infinite stops before the
    update that they would make, and keeps its weights for good. To look at all gradients
    in every step would cost another pass over them. So a block of steps is looked at
    once, at its end: such a gradient leaves NaN in its weight for ever, since its moments
    stay infinite or NaN. Where a block has one, it is taken again from the weights at its
    beginning, and then every step is looked at.

    The calls of one block are: :meth:`checkpoint`, :meth:`step` for every update,
    :meth:`lost`; then either :meth:`hold` or :meth:`restart` and :meth:`watch` for every
    update.
    """

    def __init__(
        self,
        start: Mapping[str, Tensor],
        rate: float,
        weight_decay: float,
        stopped: Tensor | None = None,
    ):
        self._widths = {name: weight.shape[-1] for name, weight in start.items()}
        self._leaves = {k: pad_chains(v).clone().requires_grad_() for k, v in start.items()}
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
        self._finite_losses = every.clone()  # since the last checkpoint
        self._checkpoint: dict[str, dict[str, Tensor]] = {name: {} for name in start}

    @property
    def stopped_chains(self) -> Tensor:
        """Chains ``[R]`` bool that have stopped."""
        return ~self._moving

    def weights(self) -> dict[str, Tensor]:
        """The weights as they are, for a loss to be differentiated by."""
        return {name: leaf[..., : self._widths[name]] for name, leaf in self._leaves.items()}

    def step(self, losses: Tensor) -> None:
        """One update of every chain down the gradient of its loss, ``[R]``."""
        self._adam.zero_grad()
        losses.sum().backward()
        self._adam.step()
        self._finite_losses.logical_and_(losses.detach().isfinite())

    @torch.no_grad()
    def checkpoint(self) -> None:
        """Remember weights and moments as they are, for
        :meth:`restart` and :meth:`hold`."""
        for name, leaf in self._leaves.items():
            remembered = self._checkpoint[name]
            current = {"weight": leaf.detach(), **self._adam.state[leaf]}
            for key, values in current.items():
                # The same memory every time: to allocate costs more than to copy.
                if key in remembered:
                    remembered[key].copy_(values)
                else:
                    remembered[key] = values.clone()
        self._finite_losses.fill_(True)

    @torch.no_grad()
    def restart(self) -> None:
        """Put weights and moments back to the checkpoint, in the same memory."""
        for name, leaf in self._leaves.items():
            remembered = self._checkpoint[name]
            leaf.copy_(remembered["weight"])
            for key, moment in self._adam.state[leaf].items():
                # Moments are made by the first step, after the first checkpoint: they began as 0.
                moment.copy_(remembered[key]) if key in remembered else moment.zero_()
        self._finite_losses.fill_(True)

    def lost(self) -> bool:
        """Whether a chain should have stopped since the checkpoint; waits for a GPU."""
        return bool((self._moving & ~self._sound()).any())

    @torch.no_grad()
    def watch(self, step: Callable[[], None]) -> None:
        """Take one step, and stop the chains that it left with a NaN or an infinity."""
        before = {name: leaf.detach().clone() for name, leaf in self._leaves.items()}
        with torch.enable_grad():
            step()
        self._moving &= self._sound()
        self._all_move = False
        self._hold(before)

    def hold(self) -> None:
        """Put the chains that have stopped back to the checkpoint."""
        if not self._all_move:
            self._hold({name: values["weight"] for name, values in self._checkpoint.items()})

    def result(self) -> dict[str, Tensor]:
        """The weights as they are, in memory of their own."""
        return {name: weight.detach().contiguous() for name, weight in self.weights().items()}

    def _sound(self) -> Tensor:
        """Chains ``[R]`` bool with finite losses since the
        checkpoint and finite weights."""
        weights = [finite(leaf) for leaf in self._leaves.values()]
        return torch.stack([self._finite_losses, *weights]).all(0)

    @torch.no_grad()
    def _hold(self, weights: Mapping[str, Tensor]) -> None:
        """Put the chains that have stopped back to these weights."""
        for name, leaf in self._leaves.items():
            moving = self._moving.view(-1, *[1] * (leaf.dim() - 1))
            leaf.copy_(torch.where(moving, leaf, weights[name]))
