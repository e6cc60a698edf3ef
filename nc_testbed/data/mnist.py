"""MNIST, read from the four original files that come with the package."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import final

import numpy as np

from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.space import Space
from nc_testbed.data.idx import dimensions_of, parse_idx, read_file
from nc_testbed.data.real_source import RealSource
from nc_testbed.data.rows import Rows, pool_files

FILES = Path(__file__).parent / "mnist_files"

MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
"""md5 of the uncompressed files, as first published."""


@final
@dataclass(frozen=True, kw_only=True)
class Mnist(RealSource):
    """70,000 handwritten digits of two files, one pool: 28x28 uint8, ten classes.

    Source: Yann LeCun, Corinna Cortes, Christopher J.C. Burges, derived from NIST,
    http://yann.lecun.com/exdb/mnist/, CC BY-SA 3.0.
    """

    def read(self) -> Rows:
        """All rows; raises BadInput (``files``) if the package's copy is damaged."""
        pooled = pool_files(*read_mnist(FILES))
        return Rows(
            name="mnist",
            space=Space((28, 28), image=True),
            x=pooled.x,
            y=pooled.y,
            test_share=pooled.test_share,
            classes=tuple("0123456789"),
            record={"files_md5": dict(MD5)},
        )


@lru_cache(maxsize=1)
def read_mnist(folder: Path) -> tuple[np.ndarray, ...]:
    """Training images ``[60000, 784]`` and digits, test images ``[10000, 784]`` and
    digits.

    Images are read-only uint8, digits int64. Every file is held against its md5; read
    once per process. Raises BadInput (``files``) for a missing or damaged file.
    """
    images, digits, test_images, test_digits = (
        _array(folder / f"{name}.gz", md5) for name, md5 in MD5.items()
    )
    return (
        images.reshape(len(images), -1),
        digits.astype(np.int64),
        test_images.reshape(len(test_images), -1),
        test_digits.astype(np.int64),
    )


def _array(path: Path, md5: str) -> np.ndarray:
    """The array in a gzipped file, if its uncompressed bytes are the published ones."""
    remedy = "missing or damaged: install nc_testbed again"
    dimensions = dimensions_of(path.name)
    try:
        data = read_file(path, dimensions)
    except (OSError, ValueError) as error:
        raise BadInput("files", path, remedy) from error
    actual = hashlib.md5(data, usedforsecurity=False).hexdigest()
    require(actual == md5, "files", path, f"md5 {actual} is not {md5}, {remedy}")
    return parse_idx(data, dimensions)
