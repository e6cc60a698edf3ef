"""Variational autoencoders made of stacked multilayer perceptrons, weights [R, in, out]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.space import Space
from nc_testbed.models.adam import LINE
from nc_testbed.models.autoencoder import Autoencoder
from nc_testbed.models.autoencoder_fit import LAYER, AutoencoderFit


@final
@dataclass(frozen=True)
class VAE(Autoencoder):
    """Variational autoencoder of multilayer perceptrons with relu.

    hidden: widths of the encoder's hidden layers (the decoder mirrors them). The other settings
    are those of :class:`~nc_testbed.models.autoencoder.Autoencoder`.
    """

    hidden: tuple[int, ...] = (400,)

    def check_widths(self) -> None:
        """Refuse layers without numbers."""
        require(all(w >= 1 for w in self.hidden), "hidden", self.hidden, "give widths >= 1")

    def check(self, space: Space) -> None:
        """Refuse a Bernoulli likelihood on rows that are not pixels."""
        self.check_pixels(space)

    def stacks(self, space: Space) -> bool:
        """Whether every matrix of a chain fills whole 64-byte lines, 16 numbers each.

        Where a chain's matrix starts inside a line, the CPU's matrix product may round otherwise
        than it does for the chain alone.
        """
        sizes = [self.batch_size, *(a * b for layer in self._widths(space) for a, b in layer)]
        return all(size % LINE == 0 for size in sizes)

    def widest(self, space: Space) -> int:
        """The pixels, or a hidden layer."""
        return max(space.size, *self.hidden)

    def restore(self, state: Mapping[str, Tensor], space: Space) -> VAEFit:
        """The fit whose ``state_dict()`` this is; the weights alone are one that is not over."""
        weights = dict(state)
        diverged = weights.pop("diverged", None)
        return VAEFit(self.likelihood, self.variance, weights, space, diverged)

    def layers(self, space: Space) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...], int]]:
        """Matrices ``[in, out]`` and biases ``[1, out]``."""
        for name, layers in zip(("encoder", "decoder"), self._widths(space), strict=True):
            for i, (a, b) in enumerate(layers):
                yield f"{name}.{i}", (a, b), (1, b), a

    def _widths(self, space: Space) -> list[list[tuple[int, int]]]:
        """Numbers in and out of every layer, of the encoder and of the decoder."""
        encoder = [space.size, *self.hidden, 2 * self.latent_dim]
        decoder = [self.latent_dim, *reversed(self.hidden), space.size]
        return [list(pairwise(widths)) for widths in (encoder, decoder)]


@final
@dataclass(frozen=True)
class VAEFit(AutoencoderFit):
    """R fitted perceptrons: weights ``[R, in, out]``, biases ``[R, 1, out]``."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), both ``[R, B, L]``."""
        mean, log_var = self._mlp("encoder", x).chunk(2, -1)
        return mean, log_var

    def decode(self, z: Tensor) -> Tensor:
        """Logits (Bernoulli) or means (Gaussian) of the pixels, ``[R, B, D]``."""
        return self._mlp("decoder", z)

    def rows_in_cache(self) -> int:
        """By the pixels ``[R, rows, D]``."""
        return LAYER // (4 * len(self.weights["decoder.0.weight"]) * self.space.size)

    def _mlp(self, name: str, x: Tensor) -> Tensor:
        layers = sum(key.startswith(name) for key in self.weights) // 2
        for i in range(layers):
            weight, bias = self.weights[f"{name}.{i}.weight"], self.weights[f"{name}.{i}.bias"]
            x = torch.baddbmm(bias, x, weight)
            if i < layers - 1:
                x = x.relu()
        return x
