"""A user's own samples of given data: read, checked, and brought into the form that the
data's rows are stored in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.array_file import LIMIT, ArrayFile, Header, content
from nc_testbed.data.real_source import RealSource
from nc_testbed.data.representation import binarize
from nc_testbed.data.source import Data


class UserRows(NamedTuple):
    """Rows ``[R, M, D]`` as the user has them, and their classes ``[R, M]`` or None.

    has_chains: whether the file has an axis of chains; R = 1 where it has none.
    """

    x: np.ndarray
    y: np.ndarray | None
    has_chains: bool


def read_user_rows(key: str, path: str, source: Any, data: Data) -> UserRows:
    """The rows of a ``.npz`` (x, optional y) or ``.npy`` (x), in the units that the source
    is read in.

    x: ``[M, ...]`` or, with an axis of chains, ``[R, M, ...]``; images uint8, channel
    first or last, vectors floats. y: whole numbers ``[M]`` or ``[R, M]``, labels of the
    data, or classes 0..C-1 where labels are no numbers. Raises BadInput (``key``) for what
    is not of these data.
    """
    file = ArrayFile(key, path)
    space = source.original_space() if isinstance(source, RealSource) else data.space
    with file.members() as members:
        headers = {name: file.header(name, member) for name, member in members.items()}
        has_chains = _check_shape(file, headers["x"], space)
        x = content(members["x"])
        y = content(members["y"]) if "y" in members else None
    x = x if has_chains else x[None]
    x = _flat(x, space)
    if space.image:
        _check_pixels(file, x, data)
    else:
        x = np.ascontiguousarray(x, dtype=np.float64)
        file.refuse_infinite(x)
    return UserRows(x, None if y is None else _classes(file, y, x, data), has_chains)


def store_user_rows(
    x: np.ndarray, source: Any, data: Data, streams: RandomStreams
) -> tuple[np.ndarray, bool]:
    """Rows ``[R, M, D]`` of :func:`read_user_rows` in stored form, and whether grey pixels
    were drawn as 0 or 255, as the data's were.

    Vectors are standardised and projected by what was taken from the real rows.
    """
    if not isinstance(source, RealSource):
        return x, False
    is_drawn = source.binarize and not bool(((x == 0) | (x == 255)).all())
    if is_drawn:
        chains = range(len(x))
        parts = (streams.part(slice(r, r + 1)) for r in chains)
        x = np.stack(
            [binarize(rows, part("binarize")) for rows, part in zip(x, parts, strict=True)]
        )
    return np.stack([source.represent(rows) for rows in x]), is_drawn


def _check_shape(file: ArrayFile, header: Header, space: Space) -> bool:
    """Whether x has an axis of chains; refuse what has not the shape of these data."""
    shape = header.shape
    right = header.dtype == np.uint8 if space.image else header.dtype.kind == "f"
    remedy = "images are uint8 from 0 to 255" if space.image else "vectors are floats"
    file.refuse_unless(right, f"x is {header.dtype}: {remedy}")
    has_chains = [n for n in (0, 1) if shape[1 + n :] in _forms(space)]
    forms = ", ".join(str(list(form)) for form in _forms(space))
    file.refuse_unless(
        bool(has_chains),
        f"x is {list(shape)}: rows of these data are {forms}, so give [rows, ...] or "
        "[chains, rows, ...]",
    )
    file.refuse_unless(min(shape) > 0, f"x {list(shape)} is empty")
    stored = math.prod(shape) * (1 if space.image else 8)
    file.refuse_unless(stored <= LIMIT, f"x takes {stored / 2**30:.3g} GiB, the limit is 4")
    return has_chains == [1]


def _forms(space: Space) -> list[tuple[int, ...]]:
    """The shapes that one row may have."""
    event = space.event
    if not space.image:
        return [event]
    if len(event) == 2:
        return [event, (1, *event), (*event, 1)]
    return [event, (*event[1:], event[0])]


def _flat(x: np.ndarray, space: Space) -> np.ndarray:
    """Rows ``[R, M, D]``, channel first."""
    if space.image and len(space.event) == 3 and x.shape[2:] != space.event:
        x = np.moveaxis(x, -1, 2)
    return np.ascontiguousarray(x).reshape(*x.shape[:2], -1)


def _check_pixels(file: ArrayFile, x: np.ndarray, data: Data) -> None:
    """Refuse images that are 0 and 1 where the data's pixels are 0 to 255."""
    is_small = int(x.max()) == 1 and int(data.x.max()) > 1
    file.refuse_unless(
        not (data.space.image and is_small), "pixels are 0 and 1, those of these data 0 to 255"
    )


def _classes(file: ArrayFile, y: np.ndarray, x: np.ndarray, data: Data) -> np.ndarray:
    """Classes 0..C-1 ``[R, M]`` of a user's labels; refuse labels that the data have
    not."""
    file.refuse_unless(bool(data.classes), "holds y, and these data have no labels")
    file.refuse_unless(y.dtype.kind in "iu", f"y is {y.dtype}: give whole numbers")
    paired = y.shape in (x.shape[:2], x.shape[1:2]) and y.size == len(x) * x.shape[1]
    file.refuse_unless(paired, f"y is {list(y.shape)}: give one label per row of x")
    values = np.unique(y).tolist()
    names = class_of_label(data.classes)
    unknown = [value for value in values if value not in names]
    remedy = f"y has {unknown[:3]}, no labels of these data: {', '.join(data.classes)}"
    file.refuse_unless(not unknown, remedy)
    index = np.searchsorted(values, y)
    return np.array([names[value] for value in values])[index].reshape(x.shape[:2])


def class_of_label(classes: Sequence[str]) -> dict[int, int]:
    """The class of every label of a user's: the numbers that name the classes, else their
    places.

    >>> class_of_label(("3", "7")), class_of_label(("cat", "dog"))
    ({3: 0, 7: 1}, {0: 0, 1: 1})
    """
    try:
        return {int(name): c for c, name in enumerate(classes)}
    except ValueError:
        return {c: c for c in range(len(classes))}
