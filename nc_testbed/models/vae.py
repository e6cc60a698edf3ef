"""Variational autoencoders made of stacked
multilayer perceptrons, weights [R, in, out]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.exactness import per_vector
from nc_testbed.core.space import Space
from nc_testbed.models.autoencoder import Autoencoder, Layer
from nc_testbed.models.autoencoder_fit import LAYER, AutoencoderFit


@final
@dataclass(frozen=True)
class VAE(Autoencoder):
    """Variational autoencoder of multilayer perceptrons with relu.

    hidden: widths of the encoder's hidden layers (the decoder mirrors them). The other
    settings are those of :class:`~nc_testbed.models.autoencoder.Autoencoder`.
    """

    hidden: tuple[int, ...] = (400,)

    def check_widths(self) -> None:
        """Refuse layers without numbers."""
        require(all(w >= 1 for w in self.hidden), "hidden", self.hidden, "give widths >= 1")

    def check(self, space: Space) -> None:
        """Refuse a Bernoulli likelihood on rows that are not pixels."""
        self.check_pixels(space)

    def stacks(self, space: Space) -> bool:
        """Whether every matrix of a chain fills whole vectors, so that the next one
        begins at one.

        See :mod:`nc_testbed.core.exactness`, point 2.
        """
        sizes = [
            self.batch_size,
            *(a * b for layers in self._widths(space) for a, b in layers),
        ]
        return all(size % per_vector(torch.float32) == 0 for size in sizes)

    def widest(self, space: Space) -> int:
        """Numbers of one row, or of the widest hidden layer."""
        return max(space.size, *self.hidden)

    def restore(self, state: Mapping[str, Tensor], space: Space) -> VAEFit:
        """The fit whose ``state_dict()`` this is; the
        weights alone are one that is not over."""
        weights = dict(state)
        diverged = weights.pop("diverged", None)
        return VAEFit(self.likelihood, self.variance, weights, space, diverged)

    def layers(self, space: Space) -> Iterator[Layer]:
        """Matrices ``[in, out]`` and biases ``[1, out]``."""
        for name, layers in zip(("encoder", "decoder"), self._widths(space), strict=True):
            for i, (a, b) in enumerate(layers):
                yield Layer(f"{name}.{i}", (a, b), (1, b), a)

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
        """Rows of which all chains' pixels ``[R, rows, D]`` take ``LAYER`` bytes."""
        return LAYER // (4 * len(self.weights["decoder.0.weight"]) * self.space.size)

    def _mlp(self, name: str, x: Tensor) -> Tensor:
        """Rows ``[R, B, in]`` through the encoder or the decoder, ``[R, B, out]``."""
        layers = sum(key.startswith(name) for key in self.weights) // 2
        for i in range(layers):
            weight = self.weights[f"{name}.{i}.weight"]
            bias = self.weights[f"{name}.{i}.bias"]
            x = torch.baddbmm(bias, x, weight)
            if i < layers - 1:
                x = x.relu()
        return x
