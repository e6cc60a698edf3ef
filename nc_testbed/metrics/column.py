"""What a column means, what it can hold and which way it gets worse: declared by its metric."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One column ``[R]`` of a metric; a metric declares ``columns``, ``{name: Column}``.

    A name that ends in ``_i`` stands for one column per rank or coordinate. says: its definition.
    low, high: bounds of its values, included; C is the number of classes (or modes), M that of
    synthetic rows. worse: the direction in which a fit gets worse; ``either`` is away from the
    truth. unit: of its values, "" for a pure number.
    """

    says: str
    low: float = -inf
    high: float | Literal["C", "M"] = inf
    worse: Literal["lower", "higher", "either"] = "higher"
    unit: str = ""

    def holds(self, value: float, classes: int, rows: int) -> bool:
        """Whether a value lies in the range, but for rounding; NaN does.

        >>> Column("share", 0, 1).holds(1.5, classes=3, rows=100)
        False
        """
        high = {"C": classes, "M": rows}.get(str(self.high), self.high)
        slack = 1e-9
        return not (value < self.low - slack or value > float(high) + slack)


def described(columns: Mapping[str, Column], name: str) -> Column | None:
    """What a metric's declared columns say of a measured one, or None.

    >>> described({"x_rank_i": Column("of a class")}, "x_rank_12").says
    'of a class'
    """
    return columns.get(re.sub(r"_\d+$", "_i", name))
