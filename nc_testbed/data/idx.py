"""The idx format of MNIST and its relatives, read with its header checked."""

from __future__ import annotations

import math
import struct
from typing import Protocol

import numpy as np

LIMIT = 2**30
"""Largest file accepted, bytes: the largest there is, EMNIST's, has half as many."""


class SupportsRead(Protocol):
    """An open file, or what unpacks one."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""
        ...


def read_idx(stream: SupportsRead, dimensions: int) -> bytes:
    """The bytes of an idx file, no more of them than its header says and ``LIMIT`` allows.

    So a few bytes of gzip that stand for terabytes are refused by what they declare. Raises
    ValueError where the header and the length disagree.
    """
    start = 4 + 4 * dimensions
    head = stream.read(start)
    size = math.prod(_shape(head, dimensions))
    if size > LIMIT:
        raise ValueError(f"an idx file of {size} bytes, the limit is {LIMIT}")
    return head + stream.read(size + 1)  # one more would be one too many


def parse_idx(data: bytes, dimensions: int) -> np.ndarray:
    """The uint8 array in the bytes of an uncompressed idx file, a read-only view of them.

    Layout: two zero bytes, 8 (uint8), the number of dimensions, each size as a big-endian uint32,
    then the values. Raises ValueError unless the length is exactly what the header says.
    Source: http://yann.lecun.com/exdb/mnist/.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), 1).tolist()
    [7, 9]
    """
    start = 4 + 4 * dimensions
    shape = _shape(data, dimensions)
    if len(data) != start + math.prod(shape):
        raise ValueError(f"an idx file of shape {shape} cannot have {len(data)} bytes")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _shape(data: bytes, dimensions: int) -> tuple[int, ...]:
    start = 4 + 4 * dimensions
    if len(data) < start or data[:4] != bytes([0, 0, 8, dimensions]):
        raise ValueError(f"no idx file of {dimensions} dimensions")
    return struct.unpack(f">{dimensions}I", data[4:start])
