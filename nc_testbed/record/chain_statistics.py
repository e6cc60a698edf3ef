"""How the values of a run's chains become means with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nc_testbed.core.intervals import Interval, interval
from nc_testbed.metrics.column import Columns


@dataclass(frozen=True)
class ChainStatistics:
    """What an interval over a run's chains rests on.

    columns: their ranges. classes, rows: C and M of those ranges, None where they are not
    known, which leaves a range open. rotation: ``[R]`` which of ``rotations`` assignments
    of rarity to classes each chain has; None where all chains have the same.
    """

    columns: Columns
    classes: int | None = None
    rows: int | None = None
    rotation: NDArray[np.int64] | None = None
    rotations: int = 1

    @classmethod
    def from_records(cls, *configs: Mapping[str, Any]) -> Self:
        """What the records of runs with the same data say; their chains in this order."""
        facts = [config.get("facts", {}) for config in configs]
        first = facts[0] if facts else {}
        rotation, rotations = _rotation([fact.get("rank_to_class") for fact in facts])
        return cls(
            Columns.from_records(*configs),
            _class_count(first),
            _count(first.get("evaluation_rows")),
            rotation,
            rotations,
        )

    def bounds(self, name: str) -> tuple[float, float]:
        """The range of a column's values.

        >>> from nc_testbed.metrics.column import Column
        >>> ChainStatistics(Columns({"alive": Column(low=0, high="C")}), 10).bounds("alive")
        (0, 10)
        """
        column = self.columns[name]
        if isinstance(column.high, str):
            return column.low, {"C": self.classes, "M": self.rows}[column.high] or inf
        return column.low, column.high

    def interval(self, name: str, values: NDArray[np.float64]) -> Interval:
        """A column's mean over chains ``[R, ...]`` with its interval."""
        return self.intervals({name: values})[name]

    def intervals(self, values: Mapping[str, NDArray[np.float64]]) -> dict[str, Interval]:
        """Every column's, of one shape ``[R, ...]``."""
        if not values:
            return {}
        # All at once: a call of SciPy's costs more than the numbers do.
        stack = np.stack(list(values.values()), axis=-1)
        low, high = np.array([self.bounds(name) for name in values], dtype=np.float64).T
        together = interval(stack, low, high, self._full_rotation(len(stack)))
        return {name: together[..., i] for i, name in enumerate(values)}

    def notes(self, chains: int) -> list[str]:
        """What is to be said of a number of chains that does not balance the rotations, or
        has them once; nothing where all chains have the same classes rare."""
        if self.rotation is None or len(self.rotation) != chains:
            return []
        C = self.rotations
        covered, counts = np.unique(self.rotation, return_counts=True)
        if len(covered) < C:
            part = f"{len(covered)} of the {C} rotations of which class is rare"
        elif np.ptp(counts):
            part = f"no full rounds of the {C} rotations of which class is rare"
        elif counts[0] == 1:
            return [
                f"intervals are too wide: each of the {C} rotations of which class is rare has "
                f"one chain, so they count as chance ({2 * C} chains tell them apart; "
                "differences of policies within chains are free of them)"
            ]
        else:
            return []
        return [f"{chains} chains are {part}: multiples of {C} balance them"]

    def _full_rotation(self, chains: int) -> NDArray[np.int64] | None:
        """Which rotation each chain has; None unless every one that there is has a chain."""
        if self.rotation is None or len(self.rotation) != chains:
            return None
        return self.rotation if len(np.unique(self.rotation)) == self.rotations else None


def _rotation(orders: list[Any]) -> tuple[NDArray[np.int64] | None, int]:
    """Which of C rotations each chain has, from the class of every rank ``[R, C]``."""
    try:
        table = np.concatenate([np.array(order, dtype=np.int64) for order in orders])
    except (TypeError, ValueError):  # not known, or no such table
        return None, 1
    if table.ndim != 2 or not table.size or not np.ptp(table, axis=0).any():
        return None, 1
    return np.unique(table, axis=0, return_inverse=True)[1].ravel(), table.shape[1]


def _class_count(facts: Mapping[str, Any]) -> int | None:
    """Classes of labelled rows, or of a law that is a table of shares."""
    classes = facts.get("classes")
    if isinstance(classes, list) and classes:
        return len(classes)
    truth = facts.get("truth")
    shares = truth.get("shares") if isinstance(truth, Mapping) else None
    return len(shares) if isinstance(shares, list) and shares else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
