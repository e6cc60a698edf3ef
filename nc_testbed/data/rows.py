"""Rows as a source reads them, before any split."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nc_testbed.core.space import Space


@dataclass(frozen=True)
class Rows:
    """All rows of a source of real data.

    x: ``[N, D]`` in stored form, uint8 pixels or float64. y: ``[N]`` int64 classes
    0..C-1, or None. test_x, test_y: the source's own test split, where it has one.
    standardize: whether columns are to be brought to mean 0 and standard deviation 1
    (over the rows that chains may train on).
    """

    name: str
    space: Space
    x: np.ndarray
    y: np.ndarray | None = None
    test_x: np.ndarray | None = None
    test_y: np.ndarray | None = None
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


def relabel(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes 0..C-1 of labels ``[N]``, int64, and the C labels they stand for,
    ascending.

    >>> classes, values = relabel(np.array([7, 3, 7]))
    >>> classes.tolist(), values.tolist()
    ([1, 0, 1], [3, 7])
    """
    values, classes = np.unique(labels, return_inverse=True)
    return classes.astype(np.int64), values
