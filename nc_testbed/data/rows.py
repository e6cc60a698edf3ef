"""Rows as a source reads them, before any split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from nc_testbed.core.space import Space


@dataclass(frozen=True)
class Rows:
    """All rows of a source of real data.

    x: ``[N, D]`` in stored form, uint8 pixels or float64. y: ``[N]`` int64 classes
    0..C-1, or None. test_share: share of the rows that came in a test file of their own,
    None where the source has none. standardize: whether columns are to be brought to mean
    0 and standard deviation 1 (over the rows that chains may train on).
    """

    name: str
    space: Space
    x: np.ndarray
    y: np.ndarray | None = None
    test_share: float | None = None
    classes: tuple[str, ...] = ()
    standardize: bool = False
    record: dict[str, object] = field(default_factory=dict)

    @property
    def labels(self) -> np.ndarray:
        """The classes ``[N]``; all 0 where there are no labels."""
        return np.zeros(len(self.x), dtype=np.int64) if self.y is None else self.y

    def sizes(self, y: np.ndarray) -> np.ndarray:
        """How many rows each class has among some labels, ``[C]``."""
        return np.bincount(y, minlength=max(1, len(self.classes)))


class Pooled(NamedTuple):
    """Rows ``[N, D]`` of a training and a test file, in this order, their labels ``[N]``,
    and the test file's share of them."""

    x: np.ndarray
    y: np.ndarray
    test_share: float


def pool_files(x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray) -> Pooled:
    """One pool of a source's two files.

    A test file need not follow the law of its training file (MNIST's are of different
    writers): held-out rows of one pool do.

    >>> pooled = pool_files(np.zeros((6, 1)), np.zeros(6), np.ones((2, 1)), np.ones(2))
    >>> pooled.x.shape, pooled.test_share
    ((8, 1), 0.25)
    """
    total = len(x) + len(test_x)
    share = len(test_x) / total
    return Pooled(np.concatenate([x, test_x]), np.concatenate([y, test_y]), share)


def relabel(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes 0..C-1 of labels ``[N]``, int64, and the C labels they stand for,
    ascending.

    >>> classes, values = relabel(np.array([7, 3, 7]))
    >>> classes.tolist(), values.tolist()
    ([1, 0, 1], [3, 7])
    """
    values, classes = np.unique(labels, return_inverse=True)
    return classes.astype(np.int64), values
