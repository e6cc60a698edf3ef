"""Explicit random streams: one generator per seed, chain, generation and purpose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor


def key(seed: int, chain: int, generation: int, purpose: str) -> int:
    """128-bit key of one stream: BLAKE2b of the four words.

    >>> key(0, 0, 0, "fit") != key(0, 0, 0, "sample") != key(0, 1, 0, "fit")
    True
    """
    words = f"nc_testbed/{seed}/{chain}/{generation}/{purpose}".encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=16).digest(), "little")


class Generators:
    """Random numbers for R chains, ``[R, ...]``; every chain has a generator of its own.

    On a CPU the generators are numpy's: torch's CPU generator keeps 32 bits of its seed,
    too few for hundreds of thousands of streams. On a GPU they are torch's Philox, keyed
    by 64 bits.
    """

    def __init__(self, keys: Sequence[int], device: torch.device):
        self.device = device
        self._host = device.type == "cpu"
        if self._host:
            self._generators: list[Any] = [
                np.random.Generator(np.random.PCG64DXSM(k)) for k in keys
            ]
        else:
            self._generators = [
                torch.Generator(device).manual_seed(k & (2**63 - 1)) for k in keys
            ]

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Standard normals, ``[R, *shape]``."""
        return self._fill("standard_normal", torch.randn, shape, dtype)

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Uniforms on [0, 1), ``[R, *shape]``."""
        return self._fill("random", torch.rand, shape, dtype)

    def permutation(self, m: int) -> Tensor:
        """A random order of 0..m-1 per chain, ``[R, m]`` int64."""
        if self._host:
            return torch.from_numpy(np.stack([g.permutation(m) for g in self._generators]))
        return torch.stack(
            [torch.randperm(m, generator=g, device=self.device) for g in self._generators]
        )

    def poisson(self, rate: Tensor, n: int) -> Tensor:
        """n Poisson counts per chain with rates ``[R]``: ``[R, n]`` float64."""
        if self._host:
            pairs = zip(self._generators, rate.tolist(), strict=True)
            return torch.from_numpy(np.stack([g.poisson(x, n) for g, x in pairs])).double()
        rates = rate[:, None].expand(-1, n).contiguous()
        pairs = zip(rates, self._generators, strict=True)
        return torch.stack([torch.poisson(x, generator=g) for x, g in pairs])

    def categorical(self, shares: Tensor, n: int) -> Tensor:
        """n class indices per chain with probabilities ``shares`` [R, C] or [C]:
        ``[R, n]`` int64.

        By inversion of the cumulative shares, so that every index takes one uniform.
        """
        cumulative = shares.to(torch.float64).cumsum(-1)
        cumulative = (cumulative / cumulative[..., -1:]).expand(len(self._generators), -1)
        u = self.uniform(n, dtype=torch.float64)
        index = torch.searchsorted(cumulative.contiguous(), u, right=True)
        return index.clamp_(max=shares.shape[-1] - 1)

    def _fill(
        self, host_name: str, device_draw: Any, shape: tuple[int, ...], dtype: torch.dtype
    ) -> Tensor:
        """Numbers ``[R, *shape]`` by numpy's method of this
        name, or by torch's function."""
        if not self._host:
            options: dict[str, Any] = {"device": self.device, "dtype": dtype}
            rows = [device_draw(shape, generator=g, **options) for g in self._generators]
            return torch.stack(rows)
        out = torch.empty(len(self._generators), *shape, dtype=dtype)
        for row, generator in zip(out.numpy(), self._generators, strict=True):
            getattr(generator, host_name)(out=row, dtype=row.dtype)
        return out


CPU = torch.device("cpu")


@dataclass(frozen=True)
class RandomStreams:
    """The streams of some chains at one generation.

    A chain's draws depend on the seed, its own number, the generation and the purpose:
    not on the other chains, on how chains are split to fit memory, on the policy, or on
    the metrics. seed: of all chains, or one for each where chains of several runs lie
    side by side.

    >>> pair = RandomStreams(seed=0, chains=(0, 1))("example").normal(3)
    >>> alone = RandomStreams(seed=0, chains=(1,))("example").normal(3)
    >>> torch.equal(pair[1], alone[0])
    True
    >>> other = RandomStreams(seed=(0, 7), chains=(1, 1))("example").normal(3)
    >>> torch.equal(other[0], alone[0]), torch.equal(other[1], alone[0])
    (True, False)
    """

    seed: int | tuple[int, ...]
    chains: tuple[int, ...]
    generation: int = 0
    device: torch.device = CPU
    scope: str = ""

    def __call__(self, purpose: str) -> Generators:
        """The generators of a purpose, always from their beginning."""
        purpose = self.scope + purpose
        seeds = repeat(self.seed) if isinstance(self.seed, int) else self.seed
        pairs = zip(seeds, self.chains, strict=False)  # repeat() never ends
        return Generators(
            [key(s, chain, self.generation, purpose) for s, chain in pairs], self.device
        )

    def enter_scope(self, scope: str) -> RandomStreams:
        """The same chains with every purpose inside a scope, apart from all others.

        Training rows and evaluation rows of one fit are both samples; they must not be
        the same.
        """
        return replace(self, scope=f"{self.scope}{scope}/")

    def at(self, generation: int) -> RandomStreams:
        """The same chains at another generation."""
        # Not by replace(), which takes twice as long: loops on statistics call it every generation.
        return RandomStreams(self.seed, self.chains, generation, self.device, self.scope)

    def part(self, part: slice) -> RandomStreams:
        """The streams of some of the chains."""
        seed = self.seed if isinstance(self.seed, int) else self.seed[part]
        return replace(self, seed=seed, chains=self.chains[part])


def parts(chains: int, at_once: int) -> Iterator[slice]:
    """Slices that cover all chains, ``at_once`` at a time.

    >>> list(parts(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(i, min(i + at_once, chains)) for i in range(0, chains, at_once))


SHARED = -1
"""Chain number of streams that all chains share (a latent draw for pictures, a split)."""
