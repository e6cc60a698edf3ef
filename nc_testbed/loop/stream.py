"""Training rows drawn afresh from the previous fit,
in the place of a finite synthetic set."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from nc_testbed.core.interfaces import Fit, Sampling
from nc_testbed.core.rng import RandomStreams

STREAMED = 16
"""Batches of fresh rows that are drawn at once; part of their streams' definition."""


class Stream:
    """Rows drawn afresh from a fit, batch after batch: a synthetic set without end.

    With it n is infinite: what is left of a generation's error is that of the model and
    of the fitting (functional expressivity and approximation), not that of a finite
    sample. Each block of batches has streams of its own, so a chain's rows depend on
    the size of its batches alone.
    """

    def __init__(self, fit: Fit, streams: RandomStreams, sampling: Sampling):
        self._fit = fit
        self._streams = streams
        self._sampling = sampling
        self._blocks = 0
        self._batches: Iterator[Tensor] = iter(())

    def batch(self, size: int) -> Tensor:
        """The next rows of the fit, ``[R, size, D]``; ``size`` must not change."""
        rows = next(self._batches, None)
        if rows is None:
            scope = self._streams.enter_scope(f"stream/{self._blocks}")
            block = self._fit.sample(STREAMED * size, scope, self._sampling)
            self._blocks += 1
            self._batches = iter(block.split(size, dim=1))
            rows = next(self._batches)
        assert rows.shape[1] == size, "the batches of a stream are of one size"
        return rows
