"""The idx format of MNIST and its relatives, read with its header checked."""

from __future__ import annotations

import math
import struct

import numpy as np


def parse_idx(data: bytes, dimensions: int) -> np.ndarray:
    """The uint8 array in the bytes of an uncompressed idx file, a read-only view of them.

    Layout: two zero bytes, 8 (uint8), the number of dimensions, each size as a big-endian uint32,
    then the values. Raises ValueError unless the length is exactly what the header says.
    Source: http://yann.lecun.com/exdb/mnist/.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), 1).tolist()
    [7, 9]
    """
    start = 4 + 4 * dimensions
    if len(data) < start or data[:4] != bytes([0, 0, 8, dimensions]):
        raise ValueError(f"no idx file of {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    if len(data) != start + math.prod(shape):
        raise ValueError(f"an idx file of shape {shape} cannot have {len(data)} bytes")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
