"""Fitted variational autoencoders: bounds, samples and latent means of R at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nc_testbed.core.exactness import row_blocks
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.machine import each
from nc_testbed.core.rng import Generators, RandomStreams
from nc_testbed.core.space import Space

LAYER = 2**22
"""Bytes of a layer on a CPU when rows are not trained on, 4 MiB: near its cache."""
ROWS = 256
"""Rows per chain at once on a GPU; part of the definition of the noise of sampled pixels."""


@dataclass(frozen=True)
class AutoencoderFit(ABC):
    """R fitted variational autoencoders; every weight has the chain axis first.

    diverged: chains ``[R]`` bool that stopped at a loss or gradient that was not finite; None
    while the fit is not over.
    """

    likelihood: str
    variance: float | None
    weights: dict[str, Tensor]
    space: Space
    diverged: Tensor | None = None

    @abstractmethod
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), both ``[R, B, L]``, of floats ``[R, B, D]``."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Logits (Bernoulli) or means (Gaussian) of the pixels, ``[R, B, D]``."""

    @abstractmethod
    def rows_in_cache(self) -> int:
        """Rows per chain whose widest layer takes ``LAYER`` bytes on a CPU."""

    def blocks(self, rows: int) -> Iterator[slice]:
        """So many rows of every chain in blocks that are taken through the network one by one."""
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
        """ELBO per row on given noise: x [R, B, D] floats, eps [R, B, L] to ``[R, B]`` nats."""
        mean, log_var = (part.float() for part in self.encode(x))  # of bfloat16 layers too
        z = mean + (0.5 * log_var).exp() * eps
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1)
        return self.log_likelihood(x, self.decode(z).float()) - kl

    def log_likelihood(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x | z) per row, ``[R, B]`` nats, from the decoder's output."""
        if self.likelihood == "bernoulli":
            softplus = _softplus(output)  # first: its place decides how gradients are summed
            return (x * output - softplus).sum(-1)
        log_var = self._log_variance(output)[..., 0]  # [R, 1] or [1, 1]
        error = (x - output).square().sum(-1) * (-log_var).exp()
        return -0.5 * (error + x.shape[-1] * (log_var + math.log(2 * math.pi)))

    @torch.no_grad()
    def sample(self, n: int, streams: RandomStreams, sampling: Sampling) -> Tensor:
        """n stored rows per chain ``[R, n, D]``, z ~ N(0, I); pixels or means of pixels."""
        latent, pixel = streams("sample.latent"), streams("sample.pixel")
        z = latent.normal(n, self.latent_dim) * math.sqrt(sampling.temperature)
        rows = torch.empty(len(z), n, self.space.size, dtype=self.space.dtype, device=z.device)
        for block in self.blocks(n):
            output = self.decode(z[:, block])
            if self.likelihood == "bernoulli":
                mean = 1 / (1 + (-output).exp())
                if sampling.decode == "sample":
                    mean = (pixel.uniform(*mean.shape[1:]) < mean).float()
            else:
                mean = output
                if sampling.decode == "sample":
                    scale = (0.5 * self._log_variance(output)).exp()
                    mean = mean + scale * pixel.normal(*mean.shape[1:])
            rows[:, block] = self.space.stored(mean)
        return rows

    @property
    def latent_dim(self) -> int:
        """L, the size of z."""
        return self.weights["decoder.0.weight"].shape[1]

    @torch.no_grad()
    def latent_means(self, rows: Tensor) -> Tensor:
        """Means of q(z | x) for stored rows [R, M, D] of each chain: ``[R, M, L]``."""

        def means(fit: AutoencoderFit, chains: slice) -> Tensor:
            own, blocks = rows[chains], fit.blocks(rows.shape[1])
            return torch.cat([fit.encode(fit.space.floats(own[:, b]))[0] for b in blocks], 1)

        return self._apart(means)

    @torch.no_grad()
    def elbo(self, rows: Tensor, streams: RandomStreams) -> Tensor:
        """Lower bound of log p(x) for stored rows, ``[R, H]`` nats; rows: ``[H, D]``, shared by
        all chains, or ``[R, H, D]``."""
        return self._by_blocks(rows, streams("elbo"), type(self).bound)

    @torch.no_grad()
    def iwae(self, rows: Tensor, samples: int, streams: RandomStreams) -> Tensor:
        """Importance-weighted bound, ``[R, H]`` nats (Burda, Grosse & Salakhutdinov 2016).

        log (1/S) sum_s p(x, z_s) / q(z_s | x), z_s ~ q; it rises to log p(x) with S.
        """
        draws = streams("iwae")
        bounds = [self._by_blocks(rows, draws, type(self)._log_weight) for _ in range(samples)]
        return torch.stack(bounds, -1).logsumexp(-1) - math.log(samples)

    def _by_blocks(
        self, rows: Tensor, draws: Generators, bound: Callable[[Any, Tensor, Tensor], Tensor]
    ) -> Tensor:
        """A bound on one draw of z per row, ``[R, H]``, in blocks of rows."""
        eps = draws.normal(rows.shape[-2], self.latent_dim)

        def bounds(fit: AutoencoderFit, chains: slice) -> Tensor:
            own, noise, out = rows if rows.ndim == 2 else rows[chains], eps[chains], []
            for block in fit.blocks(rows.shape[-2]):
                x = fit.space.floats(own[..., block, :]).expand(len(noise), -1, -1)
                out.append(bound(fit, x, noise[:, block]))
            return torch.cat(out, 1)

        return self._apart(bounds)

    def _apart(self, function: Callable[[AutoencoderFit, slice], Tensor]) -> Tensor:
        """A function of some chains, ``[R, ...]``: one by one on the cores of a CPU, all at once
        on a GPU."""
        weight = self.weights["decoder.0.weight"]

        def one(r: int) -> Tensor:
            chains = slice(r, r + 1)
            own = {name: weight[chains] for name, weight in self.weights.items()}
            return function(replace(self, weights=own), chains)

        if weight.is_cuda:
            return function(self, slice(None))
        return torch.cat(each(one, range(len(weight)), weight.device))

    def _log_weight(self, x: Tensor, eps: Tensor) -> Tensor:
        """log p(x | z) + log p(z) - log q(z | x) at z = mean + sd eps, ``[R, B]``."""
        mean, log_var = self.encode(x)
        z = mean + (0.5 * log_var).exp() * eps
        log_ratio = 0.5 * (eps.square() + log_var - z.square()).sum(-1)
        return self.log_likelihood(x, self.decode(z)) + log_ratio

    def _log_variance(self, like: Tensor) -> Tensor:
        if "log_variance" in self.weights:
            return self.weights["log_variance"]
        assert self.variance is not None
        return torch.full_like(like[:1, :1, :1], math.log(self.variance))


def _softplus(x: Tensor) -> Tensor:
    """``log(1 + e^x)``: one pass on a GPU, written out on a CPU, where torch's own kernel rounds a
    row differently by its place in memory."""
    if x.is_cuda:
        return torch.nn.functional.softplus(x)
    return x.clamp(min=0) + (1 + (-x.abs()).exp()).log()
