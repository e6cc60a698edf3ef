"""Fitted variational autoencoders: bounds, samples and latent means of R at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nc_testbed.core.exactness import row_blocks, sigmoid, softplus
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.machine import each
from nc_testbed.core.rng import Generators, RandomStreams
from nc_testbed.core.space import Space

LAYER = 2**22
"""Bytes of the widest layer when a CPU takes rows
through a network, 4 MiB: near its cache."""
ROWS = 256
"""Rows per chain at once on a GPU; part of how the noise of sampled pixels is defined."""


@dataclass(frozen=True)
class AutoencoderFit(ABC):
    """R fitted variational autoencoders; every weight has the chain axis first.

    diverged: chains ``[R]`` bool that stopped at a loss or gradient that was not finite;
    None while the fit is not over.
    """

    likelihood: str
    variance: float | None
    weights: dict[str, Tensor]
    space: Space
    diverged: Tensor | None = None

    @abstractmethod
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), both ``[R, B,
        L]``, of floats ``[R, B, D]``."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Logits (Bernoulli) or means (Gaussian) of the pixels, ``[R, B, D]``."""

    @abstractmethod
    def rows_in_cache(self) -> int:
        """Rows per chain whose widest layer takes ``LAYER`` bytes on a CPU."""

    def blocks(self, rows: int) -> Iterator[slice]:
        """Slices of 0..rows-1 that are taken through the network one after the other."""
        on_gpu = self.weights["decoder.0.weight"].is_cuda
        return row_blocks(rows, ROWS if on_gpu else self.rows_in_cache())

    def state_dict(self) -> dict[str, Tensor]:
        """Every tensor, chain axis first."""
        return self.weights | ({} if self.diverged is None else {"diverged": self.diverged})

    def report(self) -> dict[str, Tensor]:
        """The learned variance of the Gaussian likelihood, if it was learned, ``[R]``."""
        if "log_variance" not in self.weights:
            return {}
        return {"fit_variance": self.weights["log_variance"].exp().flatten().double()}

    def bound(self, x: Tensor, eps: Tensor) -> Tensor:
        """ELBO per row on given noise: x [R, B, D] floats,
        eps [R, B, L] to ``[R, B]`` nats."""
        mean, log_var = (part.float() for part in self.encode(x))  # layers may be bfloat16
        z = mean + (0.5 * log_var).exp() * eps
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1)
        return self.log_likelihood(x, self.decode(z).float()) - kl

    def log_likelihood(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x | z) per row, ``[R, B]`` nats, from the decoder's output."""
        if self.likelihood == "bernoulli":
            # First, not inside the next line: autograd adds gradients in the order of operations.
            log_normaliser = softplus(output)
            return (x * output - log_normaliser).sum(-1)
        log_var = self._log_variance(output)[..., 0]  # [R, 1] or [1, 1]
        error = (x - output).square().sum(-1) * (-log_var).exp()
        return -0.5 * (error + x.shape[-1] * (log_var + math.log(2 * math.pi)))

    @torch.no_grad()
    def sample(self, n: int, streams: RandomStreams, sampling: Sampling) -> Tensor:
        """n stored rows per chain ``[R, n, D]``, z ~ N(0,
        I); pixels or means of pixels."""
        latent = streams("sample.latent")
        pixel = streams("sample.pixel")
        z = latent.normal(n, self.latent_dim) * math.sqrt(sampling.temperature)
        rows = torch.empty(len(z), n, self.space.size, dtype=self.space.dtype, device=z.device)
        for block in self.blocks(n):
            output = self.decode(z[:, block])
            if self.likelihood == "bernoulli":
                mean = sigmoid(output)
                if sampling.decode == "sample":
                    mean = (pixel.uniform(*mean.shape[1:]) < mean).float()
            else:
                mean = output
                if sampling.decode == "sample":
                    scale = (0.5 * self._log_variance(output)).exp()
                    mean = mean + scale * pixel.normal(*mean.shape[1:])
            rows[:, block] = self.space.stored_form(mean)
        return rows

    @property
    def latent_dim(self) -> int:
        """L, the size of z."""
        return self.weights["decoder.0.weight"].shape[1]

    @torch.no_grad()
    def latent_means(self, rows: Tensor) -> Tensor:
        """Means of q(z | x) for stored rows [R, M, D] of each chain: ``[R, M, L]``."""

        def means(fit: AutoencoderFit, chains: slice) -> Tensor:
            blocks = (fit.space.floats(rows[chains, b]) for b in fit.blocks(rows.shape[1]))
            return torch.cat([fit.encode(block)[0] for block in blocks], 1)

        return self._by_chain(means)

    @torch.no_grad()
    def elbo(self, rows: Tensor, streams: RandomStreams) -> Tensor:
        """Lower bound of log p(x) for stored rows, ``[R, H]`` nats.

        rows: ``[H, D]``, shared by all chains, or ``[R, H, D]``.
        """
        return self._by_blocks(rows, streams("elbo"), type(self).bound)

    @torch.no_grad()
    def iwae(self, rows: Tensor, samples: int, streams: RandomStreams) -> Tensor:
        """Importance-weighted bound, ``[R, H]`` nats (Burda, Grosse & Salakhutdinov
        2016).

        log (1/S) sum_s p(x, z_s) / q(z_s | x), z_s ~ q; it rises to log p(x) with S.
        """
        draws = streams("iwae")
        bounds = [self._by_blocks(rows, draws, type(self)._log_weight) for _ in range(samples)]
        return torch.stack(bounds, -1).logsumexp(-1) - math.log(samples)

    def _by_blocks(
        self,
        rows: Tensor,
        draws: Generators,
        bound: Callable[[Any, Tensor, Tensor], Tensor],
    ) -> Tensor:
        """A bound at one draw of z per row, ``[R, H]``, in blocks of rows."""
        eps = draws.normal(rows.shape[-2], self.latent_dim)

        def bounds(fit: AutoencoderFit, chains: slice) -> Tensor:
            of_chains = rows if rows.ndim == 2 else rows[chains]
            noise = eps[chains]
            values = []
            for block in fit.blocks(rows.shape[-2]):
                x = fit.space.floats(of_chains[..., block, :]).expand(len(noise), -1, -1)
                values.append(bound(fit, x, noise[:, block]))
            return torch.cat(values, 1)

        return self._by_chain(bounds)

    def _by_chain(self, function: Callable[[AutoencoderFit, slice], Tensor]) -> Tensor:
        """A function of some chains, ``[R, ...]``: one by one on the cores of a CPU, all
        at once on a GPU."""
        weight = self.weights["decoder.0.weight"]

        def of_chain(r: int) -> Tensor:
            chains = slice(r, r + 1)
            weights = {name: weight[chains] for name, weight in self.weights.items()}
            return function(replace(self, weights=weights), chains)

        if weight.is_cuda:
            return function(self, slice(None))
        return torch.cat(each(of_chain, range(len(weight)), weight.device))

    def _log_weight(self, x: Tensor, eps: Tensor) -> Tensor:
        """log p(x | z) + log p(z) - log q(z | x) at z = mean + sd eps, ``[R, B]``."""
        mean, log_var = self.encode(x)
        z = mean + (0.5 * log_var).exp() * eps
        log_ratio = 0.5 * (eps.square() + log_var - z.square()).sum(-1)
        return self.log_likelihood(x, self.decode(z)) + log_ratio

    def _log_variance(self, like: Tensor) -> Tensor:
        """Log variance of the Gaussian likelihood, ``[R, 1,
        1]`` if learned, else ``[1, 1, 1]``."""
        if "log_variance" in self.weights:
            return self.weights["log_variance"]
        assert self.variance is not None
        return torch.full_like(like[:1, :1, :1], math.log(self.variance))
