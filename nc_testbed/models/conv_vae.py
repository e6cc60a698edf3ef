"""Convolutional variational autoencoders, R at once:
grouped convolutions, a group per chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.machine import each
from nc_testbed.core.space import Space
from nc_testbed.models.autoencoder import Autoencoder, Layer
from nc_testbed.models.autoencoder_fit import LAYER, AutoencoderFit

# A kernel of 4 with stride 2 and padding 1 halves both sides exactly.
KERNEL = 4
STRIDE = 2
PADDING = 1


@final
@dataclass(frozen=True)
class ConvVAE(Autoencoder):
    """Convolutional variational autoencoder.

    Convolutions of 4x4 with stride 2 and relu halve both sides, once per entry of
    ``channels``; a linear layer leads to the mean and log variance of z. The decoder
    mirrors it: linear, relu, transposed convolutions with relu between them. On 28x28
    with the defaults it has 647,081 parameters per chain, the network of the VAE study of
    Shumailov et al. 2024, https://doi.org/10.1038/s41586-024-07566-y

    channels: after every convolution of the encoder; sides must divide by 2 that many
    times. The other settings are those of
    :class:`~nc_testbed.models.autoencoder.Autoencoder`.
    """

    channels: tuple[int, ...] = (64, 128)
    lr: float = 1e-3

    def check_widths(self) -> None:
        """Refuse a network without convolutions, or one of no channels."""
        ok = bool(self.channels) and min(self.channels) >= 1
        require(ok, "channels", list(self.channels), "give at least one number >= 1")

    def check(self, space: Space) -> None:
        """Refuse rows that are no images, or images whose
        sides cannot be halved often enough."""
        if not space.image or len(space.event) not in (2, 3):
            remedy = "it convolves images and these rows are vectors; use model=vae"
            raise BadInput("_target_", type(self).__name__, remedy)
        factor = 2 ** len(self.channels)
        height, width = space.event[-2:]
        remedy = f"images of {height}x{width} have sides that {factor} does not divide"
        ok = height % factor == 0 and width % factor == 0
        require(ok, "channels", list(self.channels), f"{remedy}; give fewer, or use model=vae")

    def stacks(self, space: Space) -> bool:
        """False: grouped convolutions on a CPU are no
        faster, and round by the other groups."""
        return False

    def widest(self, space: Space) -> int:
        """Numbers in the maps of the first convolution, for one row."""
        first = space.event[0] if len(space.event) == 3 else 1
        return space.size // first // 4 * self.channels[0]

    def restore(self, state: Mapping[str, Tensor], space: Space) -> ConvVAEFit:
        """The fit whose ``state_dict()`` this is; the
        weights alone are one that is not over."""
        weights = dict(state)
        diverged = weights.pop("diverged", None)
        return ConvVAEFit(self.likelihood, self.variance, weights, space, diverged)

    def layers(self, space: Space) -> Iterator[Layer]:
        """Kernels ``[out, in, 4, 4]`` (transposed ``[in,
        out, 4, 4]``), matrices ``[in, out]``."""
        first = space.event[0] if len(space.event) == 3 else 1
        pairs = list(pairwise((first, *self.channels)))
        area = KERNEL * KERNEL
        smallest = space.size // first // 4 ** len(pairs) * self.channels[-1]
        for i, (a, b) in enumerate(pairs):
            yield Layer(f"encoder.{i}", (b, a, KERNEL, KERNEL), (b,), a * area)
        latent = 2 * self.latent_dim  # mean and log variance
        yield Layer(f"encoder.{len(pairs)}", (smallest, latent), (1, latent), smallest)
        latent = self.latent_dim
        yield Layer("decoder.0", (latent, smallest), (1, smallest), latent)
        for i, (a, b) in enumerate(reversed(pairs), start=1):
            # torch counts the inputs of a transposed kernel by its second axis.
            yield Layer(f"decoder.{i}", (b, a, KERNEL, KERNEL), (a,), a * area)


@final
@dataclass(frozen=True)
class ConvVAEFit(AutoencoderFit):
    """R fitted convolutional networks, see
    :meth:`ConvVAE.layers` for the shapes of weights."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), both ``[R, B, L]``."""
        mean, log_var = self._apply(ConvVAEFit._encode, x).chunk(2, -1)
        return mean, log_var

    def decode(self, z: Tensor) -> Tensor:
        """Logits (Bernoulli) or means (Gaussian) of the pixels, ``[R, B, D]``."""
        return self._apply(ConvVAEFit._decode, z)

    def rows_in_cache(self) -> int:
        """Rows whose maps after the first convolution of
        one chain take ``LAYER`` bytes."""
        kernel = self.weights["encoder.0.weight"]  # [R, out, in, 4, 4]
        return LAYER // (self.space.size // kernel.shape[2] * kernel.shape[1])

    def _apply(self, network: Callable[[ConvVAEFit, Tensor], Tensor], x: Tensor) -> Tensor:
        """The network on the rows ``[R, ...]`` of all chains.

        On a CPU one chain at a time, see :meth:`ConvVAE.stacks`.
        """
        if x.is_cuda or len(x) == 1:
            return network(self, x)

        def of_chain(i: int) -> Tensor:
            weights = {name: weight[i : i + 1] for name, weight in self.weights.items()}
            return network(replace(self, weights=weights), x[i : i + 1])

        return torch.cat(each(of_chain, range(len(x)), x.device))

    def _encode(self, x: Tensor) -> Tensor:
        """Rows ``[R, B, D]`` to ``[R, B, 2 L]``."""
        R, B = x.shape[:2]
        event = self.space.event
        x = x.unflatten(-1, (event if len(event) == 3 else (1, *event)))  # [R, B, C, H, W]
        x = x.transpose(0, 1).flatten(1, 2)  # [B, R C, H, W]
        for i in range(self._convolutions):
            kernel = self.weights[f"encoder.{i}.weight"]
            bias = self.weights[f"encoder.{i}.bias"]
            x = conv2d(
                x, kernel.flatten(0, 1), bias.flatten(), STRIDE, PADDING, groups=R
            ).relu()
        x = x.reshape(B, R, -1).transpose(0, 1)
        return self._linear(f"encoder.{self._convolutions}", x)

    def _decode(self, z: Tensor) -> Tensor:
        """Latent ``[R, B, L]`` to pixels ``[R, B, D]``."""
        R, B = z.shape[:2]
        factor = 2**self._convolutions
        sides = [side // factor for side in self.space.event[-2:]]
        x = self._linear("decoder.0", z).relu()
        x = x.transpose(0, 1).reshape(B, -1, *sides)  # [B, R C, H, W]
        for i in range(1, self._convolutions + 1):
            x = x if i == 1 else x.relu()
            kernel = self.weights[f"decoder.{i}.weight"].flatten(0, 1)
            bias = self.weights[f"decoder.{i}.bias"].flatten()
            x = conv_transpose2d(x, kernel, bias, STRIDE, PADDING, groups=R)
        return x.reshape(B, R, -1).transpose(0, 1)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        """Rows ``[R, B, in]`` through a linear layer of every chain, ``[R, B, out]``."""
        return torch.baddbmm(self.weights[f"{name}.bias"], x, self.weights[f"{name}.weight"])

    @property
    def _convolutions(self) -> int:
        """Convolutions of the encoder, and as many of the decoder."""
        return sum(weight.ndim == 5 for weight in self.weights.values()) // 2
