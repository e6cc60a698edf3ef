"""The idx format of MNIST and its relatives: the
one reader, for files that may be hostile."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Protocol

import numpy as np

LIMIT = 2**30
"""Largest file accepted, bytes: the largest there is, EMNIST's, has half as many."""


class SupportsRead(Protocol):
    """An open file, or what unpacks one."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""
        ...


def read_file(path: Path, dimensions: int) -> bytes:
    """The uncompressed bytes of an idx file, gzipped where its name ends in ``.gz``.

    Raises ValueError for whatever is wrong with it, and OSError only where it cannot be
    opened.
    """
    if path.stat().st_size > LIMIT:
        raise ValueError(f"an idx file of more than {LIMIT} bytes")
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            return read_idx(stream, dimensions)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"no gzipped file: {error}") from error


def read_idx(stream: SupportsRead, dimensions: int) -> bytes:
    """The bytes of an idx file, no more of them than its header says and ``LIMIT``
    allows.

    So a few bytes of gzip that stand for terabytes are refused by what they declare.
    Raises ValueError where the header is that of no idx file, or of one that is too
    large.
    """
    start = 4 + 4 * dimensions
    head = stream.read(start)
    size = math.prod(_shape(head, dimensions))
    if size > LIMIT:
        raise ValueError(f"an idx file of {size} bytes, the limit is {LIMIT}")
    # A byte more than there should be, so that parse_idx sees a file that is too long.
    return head + stream.read(size + 1)


def parse_idx(data: bytes, dimensions: int) -> np.ndarray:
    """The uint8 array in the bytes of an uncompressed idx file, a read-only view of them.

    Layout: two zero bytes, 8 (uint8), the number of dimensions, each size as a big-endian
    uint32, then the values. Raises ValueError unless the length is exactly what the
    header says. Source: http://yann.lecun.com/exdb/mnist/.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), 1).tolist()
    [7, 9]
    """
    start = 4 + 4 * dimensions
    shape = _shape(data, dimensions)
    if len(data) != start + math.prod(shape):
        raise ValueError(f"an idx file of shape {shape} cannot have {len(data)} bytes")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def dimensions_of(name: str) -> int:
    """Dimensions of the array in a file, as its name says.

    >>> dimensions_of("train-images-idx3-ubyte"), dimensions_of("train-labels-idx1-ubyte")
    (3, 1)
    """
    return 3 if "idx3" in name else 1


def _shape(data: bytes, dimensions: int) -> tuple[int, ...]:
    """The shape that a header declares."""
    start = 4 + 4 * dimensions
    if len(data) < start or data[:4] != bytes([0, 0, 8, dimensions]):
        raise ValueError(f"no idx file of {dimensions} dimensions")
    return struct.unpack(f">{dimensions}I", data[4:start])
