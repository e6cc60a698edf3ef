"""Where referees are kept: with the package, in a cache, or made for the first time."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from nc_testbed.core.rng import RandomStreams
from nc_testbed.data.source import Data
from nc_testbed.metrics.referee import NearestCentre, Plain, Referee
from nc_testbed.metrics.referee_training import RECIPE, train

SHIPPED = Path(__file__).parent / "referees"
LESSONS = 5000
"""Rows of an exact law that a referee learns from."""


def referee_for(
    data: Data, say: Callable[[str], None] = lambda line: None
) -> Referee | NearestCentre | Plain:
    """The referee of a data set: shipped, from the cache, or trained once and cached.

    Real data are known by the hash of the rows that a referee may learn from, so MNIST
    and long-tailed MNIST share one referee and binarised MNIST has its own. An exact
    law's is trained on 5,000 rows of its own. say: told before one is trained, since that
    takes a while.
    """
    if data.y is None:
        return Plain()
    if data.law is not None and data.law.centres is not None:
        return NearestCentre(data.law)
    x, y, name = lessons(data)
    for path in (SHIPPED / f"{name}.safetensors", cache() / f"{name}.safetensors"):
        if path.is_file():
            with contextlib.suppress(SafetensorError):  # a damaged one is trained again
                return Referee(data.space, load(path.read_bytes()))
    say(f"training the referee of {data.name} once, to be kept as {path}")
    referee = train(data.space, x, y)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".tmp-{os.getpid()}")
    temporary.write_bytes(save(dict(referee.weights)))
    temporary.rename(path)
    return referee


def lessons(data: Data) -> tuple[Tensor, Tensor, str]:
    """Rows ``[N, D]`` and classes ``[N]`` to train on, and the hash that names them."""
    if data.law is None:
        assert data.y is not None
        rows = data.referee_rows
        name = _name(data, str(data.record["referee_rows_sha256"]))
        return data.x[0][rows], data.y[0][rows], name
    streams = RandomStreams(0, tuple(range(data.training.shape[0])))
    x, y = data.law.draw(LESSONS, streams, "referee.rows")
    assert y is not None
    parts = [part[0].numpy().tobytes() for part in (x, y)]
    return x[0], y[0], _name(data, hashlib.sha256(b"".join(parts)).hexdigest())


def _name(data: Data, rows_sha256: str) -> str:
    """What a referee's file is called: of its rows and classes, their shape, and the
    recipe."""
    return hashlib.sha256(f"{rows_sha256} {data.space.event} {RECIPE}".encode()).hexdigest()


def cache() -> Path:
    """Where referees trained on this machine are kept: $NC_TESTBED_CACHE or
    ~/.cache/nc_testbed."""
    root = os.environ.get("NC_TESTBED_CACHE") or Path.home() / ".cache" / "nc_testbed"
    return Path(root) / "referees"
