"""Random draws for thousands of chains: one
generator per block of chains, not one per chain."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.random.bit_generator import ISeedSequence
from torch import Tensor

from nc_testbed.core.rng import RandomStreams

BLOCK = 1024
"""Chains that share a generator on a CPU. Parts of a run begin at multiples of it."""
HUGE = 1e10
"""Largest rate of a Poisson law that numpy draws: its rejections lose their digits as
rates grow, and at 7e14 the variance is 30% too large."""
GPU_BLOCK = 2**20
"""On a GPU a launch costs more than the draws, so that its blocks are larger."""


class _State(ISeedSequence):
    """A seed that numpy takes as it is: four words of a hash need no further mixing."""

    def __init__(self, words: np.ndarray):
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> np.ndarray:
        return self._words


class BlockGenerator:
    """Generators ``[R, ...]`` float64 for R consecutive chains, one generator per block
    and call.

    A generator fills its block chain by chain and every call has generators of its own,
    so what a chain gets depends on the seed, its block, its place in it, the generation,
    the purpose and the call, and not on R. On a CPU the generators are numpy's: its gamma
    is three times as fast as torch's. On a GPU blocks are larger and always drawn whole.

    >>> from nc_testbed.core.rng import RandomStreams
    >>> two = BlockGenerator(RandomStreams(0, (0, 1)), "example").normal()
    >>> many = BlockGenerator(RandomStreams(0, tuple(range(3000))), "example").normal()
    >>> torch.equal(two, many[:2])
    True
    """

    def __init__(self, streams: RandomStreams, purpose: str, host: bool | None = None):
        self.device = streams.device
        self._host = self.device.type == "cpu" if host is None else host
        self._block = BLOCK if self._host else GPU_BLOCK
        assert isinstance(streams.seed, int), "blocks of chains have one seed"
        self._first = streams.chains[0]
        self._chains = len(streams.chains)
        if self._first % self._block:
            raise AssertionError(f"chain {self._first} does not begin a block of {self._block}")
        self._words = f"{streams.seed}/{streams.generation}/{streams.scope}{purpose}"
        self._calls = 0

    def normal(self, *shape: int) -> Tensor:
        """Standard normals, ``[R, *shape]``."""
        return self._fill(
            shape,
            lambda g, out, _: g.standard_normal(out=out),
            lambda g, size: torch.randn(size, generator=g, **self._kind),
        )

    def uniform(self, *shape: int) -> Tensor:
        """Uniforms on [0, 1), ``[R, *shape]``."""
        return self._fill(
            shape,
            lambda g, out, _: g.random(out=out),
            lambda g, size: torch.rand(size, generator=g, **self._kind),
        )

    def gamma(self, concentration: float) -> Tensor:
        """Gamma variables of scale 1, ``[R]``."""
        return self._fill(
            (),
            lambda g, out, _: g.standard_gamma(concentration, out=out),
            lambda g, size: torch._standard_gamma(
                torch.full(size, concentration, **self._kind), generator=g
            ),
        )

    def chi(self, degrees: Sequence[float]) -> Tensor:
        """Chi variables of m degrees of freedom, ``[R,
        m]``: ``sqrt(2 Gamma(degrees / 2))``."""
        shapes = [k / 2 for k in degrees]

        def host(g: Any, out: np.ndarray, _: slice) -> None:
            # numpy is faster where it need not broadcast.
            g.standard_gamma(shapes[0] if len(shapes) == 1 else shapes, out=out)
            np.multiply(2, out, out=out)

        def device(g: Any, size: tuple[int, ...]) -> Tensor:
            full = torch.tensor(shapes, **self._kind).expand(size).contiguous()
            return 2 * torch._standard_gamma(full, generator=g)

        return self._fill((len(shapes),), host, device).sqrt_()

    def poisson(self, rate: Tensor) -> Tensor:
        """Poisson counts with a rate for every chain, ``[R]`` to ``[R]``. On a CPU.

        Rates above :data:`HUGE` by ``rate + sqrt(rate) z + (z^2 - 1) / 6``, z normal,
        rounded: its distribution function is off by about 1 / rate.
        """
        huge = rate > HUGE

        def host(g: Any, out: np.ndarray, part: slice) -> None:
            out[:] = g.poisson(torch.where(huge, 0, rate).numpy()[part])

        counts = self._fill((), host)
        if not huge.any():
            # As if normals had been drawn: what the next call draws must not depend on whether
            # the rate of some other chain is huge.
            self._calls += 1
            return counts
        z = self.normal()
        return torch.where(
            huge, (rate + rate.sqrt() * z + (z.square() - 1) / 6).round(), counts
        )

    def binomial(self, n: int, p: Tensor) -> Tensor:
        """Binomial counts of n trials with a probability
        ``[R]`` for every chain. On a CPU."""

        def host(g: Any, out: np.ndarray, part: slice) -> None:
            out[:] = g.binomial(n, p.numpy()[part])

        return self._fill((), host)

    def multinomial(self, n: int, shares: Tensor) -> Tensor:
        """Multinomial counts of n trials with each chain's
        shares ``[R, K]``. On a CPU."""

        def host(g: Any, out: np.ndarray, part: slice) -> None:
            # numpy gives the last class what remains after the others, their rounding errors too,
            # so that a class that has died could come back. So each chain's last living class
            # changes places with its last class, before the draw and after it.
            p = shares.numpy()[part].copy()
            last_alive = p.shape[1] - 1 - (p[:, ::-1] > 0).argmax(1)
            _swap_with_last(p, last_alive)
            out[:] = g.multinomial(n, p)
            _swap_with_last(out, last_alive)

        return self._fill(tuple(shares.shape[1:]), host)

    def choice(self, m: int, k: int) -> Tensor:
        """k of 0..m-1 without replacement, ``[R, k]`` int64. On a CPU."""

        def host(g: Any, out: np.ndarray, _: slice) -> None:
            order = np.broadcast_to(np.arange(m, dtype=np.int32), (len(out), m))
            out[:] = g.permuted(order, axis=1)[:, :k]

        return self._fill((k,), host).long()

    def _fill(
        self,
        shape: tuple[int, ...],
        host: Callable[[Any, np.ndarray, slice], Any],
        device: Callable[[Any, tuple[int, ...]], Tensor] | None = None,
    ) -> Tensor:
        """One call's variables ``[R, *shape]``, block by block.

        host(generator, out, part): fills ``out`` ``[r, *shape]`` for the chains ``part``,
        by numpy. device(generator, size): variables of this size, by torch; None where
        only numpy has them.
        """
        self._calls += 1
        starts = range(0, self._chains, self._block)
        if self._host:
            out = np.empty((self._chains, *shape))
            for start in starts:
                part = slice(start, start + self._block)
                state: Any = _State(self._key(start))
                host(np.random.Generator(np.random.PCG64DXSM(state)), out[part], part)
            return torch.from_numpy(out)
        assert device is not None, "this family is drawn on a CPU"
        values = torch.empty((self._chains, *shape), **self._kind)
        for start in starts:
            generator = torch.Generator(self.device).manual_seed(int(self._key(start)[0]) >> 1)
            block = device(generator, (self._block, *shape))  # whole, however many are needed
            values[start : start + self._block] = block[: self._chains - start]
        return values

    @property
    def _kind(self) -> dict[str, Any]:
        """Type and device of the variables."""
        return {"dtype": torch.float64, "device": self.device}

    def _key(self, start: int) -> np.ndarray:
        """The 256-bit key of the block of this call that begins at a chain."""
        number = (self._first + start) // self._block
        words = f"nc_testbed/block/{self._words}/{number}/{self._calls}".encode()
        return np.frombuffer(hashlib.blake2b(words, digest_size=32).digest(), np.uint64)


def _swap_with_last(table: np.ndarray, columns: np.ndarray) -> None:
    """In every row of ``table`` [r, K] exchange one column ``[r]`` with the last one."""
    cells = (np.arange(len(table)), columns)
    last = table[:, -1].copy()
    table[:, -1] = table[cells]
    table[cells] = last
