"""A user's own arrays, checked before they are read."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from nc_testbed.core.errors import require
from nc_testbed.core.space import Space
from nc_testbed.data.array_file import LIMIT, ArrayFile, Header, Member, content
from nc_testbed.data.ranges import check_path
from nc_testbed.data.real_source import RealSource
from nc_testbed.data.rows import Rows, relabel

LARGEST = 1e300
"""Largest number of a vector: differences of two must be numbers too."""

_IMAGES = "images are uint8 [N, H, W], [N, C, H, W] or [N, H, W, C] with C = 1 or 3"
_SHAPES = f"{_IMAGES}, vectors are floats [N, D]"


@final
@dataclass(frozen=True, kw_only=True)
class Arrays(RealSource):
    """Images or vectors from the user's ``.npz`` (x, optional y) or ``.npy`` (x alone).

    path: the file. x: uint8 images ``[N, H, W]``, ``[N, C, H, W]`` or ``[N, H, W, C]``
    with C = 1 or 3 (stored channel-first; first if it could be either; a single channel
    is dropped), or vectors of floats ``[N, D]``, whose columns are standardised, so that
    no column counts for more because of its unit. y: whole numbers ``[N]``, of which every
    value is a class. Shape, dtype and size are checked in the header before anything is
    read; no pickle is ever read.
    """

    path: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_path("path", self.path, "give the .npz (x, optional y) or .npy (x) of your data")

    def read(self) -> Rows:
        """All rows; raises BadInput (``path``) in one line
        for whatever is wrong with the file."""
        file = ArrayFile("path", str(self.path))
        with file.members() as members:
            return self._rows(file, members)

    def _rows(self, file: ArrayFile, members: dict[str, Member]) -> Rows:
        """The rows of a file, once its headers are found to be in order."""
        path = Path(os.path.expanduser(file.path))
        headers = {name: file.header(name, member) for name, member in members.items()}
        self._check(headers)
        x = content(members["x"])
        y = content(members["y"]) if "y" in members else None
        x, space = self._vectors(x) if x.ndim == 2 else _pixels(x)
        classes, values = (None, ()) if y is None else relabel(y)
        return Rows(
            name=path.stem,
            space=space,
            x=x,
            y=classes,
            classes=tuple(str(value) for value in values),
            standardize=not space.image,
            record={"path": str(path.resolve())},
        )

    def _check(self, headers: dict[str, Header]) -> None:
        """Refuse shapes and dtypes that no data have, from the headers alone."""
        shape, dtype = headers["x"]
        image = dtype == np.uint8 and (
            len(shape) == 3 or (len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3)))
        )
        vectors = dtype.kind == "f" and len(shape) == 2
        self._refuse_unless(image or vectors, f"x is {dtype} {list(shape)}; {_SHAPES}")
        self._refuse_unless(min(shape) > 0, f"x {list(shape)} is empty")
        stored = math.prod(shape) * (1 if image else 8)
        self._refuse_unless(
            stored <= LIMIT, f"x takes {stored / 2**30:.3g} GiB, the limit is 4"
        )
        if "y" in headers:
            y = headers["y"]
            self._refuse_unless(y.dtype.kind in "iu", f"y is {y.dtype}: give whole numbers")
            paired = y.shape == shape[:1]
            self._refuse_unless(
                paired, f"y is {list(y.shape)}: give one label per row, {shape[0]}"
            )

    def _vectors(self, x: np.ndarray) -> tuple[np.ndarray, Space]:
        """Vectors as float64 rows, refused where one is not finite or too large."""
        x = np.ascontiguousarray(x, dtype=np.float64)
        ArrayFile("path", str(self.path)).refuse_infinite(x)
        large = int((np.abs(x) > LARGEST).any(0).sum())
        remedy = f"x has numbers above {LARGEST} in {large} columns: divide these by as much"
        self._refuse_unless(large == 0, remedy)
        return x, Space((x.shape[1],), image=False)

    def _refuse_unless(self, ok: bool, remedy: str) -> None:
        """Raise BadInput (``path``) unless the file is in order."""
        require(ok, "path", self.path, remedy)


def _pixels(x: np.ndarray) -> tuple[np.ndarray, Space]:
    """Images as flat uint8 rows, channel-first, a single channel dropped."""
    if x.ndim == 4 and x.shape[1] not in (1, 3):
        x = np.moveaxis(x, 3, 1)
    if x.ndim == 4 and x.shape[1] == 1:
        x = x[:, 0]
    return np.ascontiguousarray(x).reshape(len(x), -1), Space(x.shape[1:], image=True)
