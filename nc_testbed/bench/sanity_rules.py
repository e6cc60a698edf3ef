"""What a metric must say in a sanity check: shapes and values, with their tolerances.

After Raisa, van Breugel and van der Schaar (ICML 2025, https://arxiv.org/abs/2505.22450):
a value is right within .05; a bell or a fall is at least .2 high and may leave its shape
by .1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

VALUE = 0.05
"""Farthest that a value may be from what it should be."""
HEIGHT = 0.2
"""Least height of a bell or a fall."""
SLACK = 0.1
"""Most that a curve may leave its shape by."""


class Demand(Protocol):
    """A demand on the values of a metric along a check."""

    @property
    def says(self) -> str:
        """The demand in words; ``{i}`` stands for the i-th point."""
        ...

    def holds(self, values: Sequence[float]) -> bool:
        """Whether the values meet it; never where one of them is undefined."""
        ...


@dataclass(frozen=True)
class Near:
    """The value at one point.

    >>> Near(0, 1).holds([0.96, 0.2]), Near(-1, 0).holds([0.96, 0.2])
    (True, False)
    """

    point: int
    value: float

    @property
    def says(self) -> str:
        """The demand in words."""
        return f"{self.value:g} at {{{self.point}}}"

    def holds(self, values: Sequence[float]) -> bool:
        """Whether it is within .05."""
        return abs(values[self.point] - self.value) <= VALUE


@dataclass(frozen=True)
class Throughout:
    """The same value at every point."""

    value: float

    @property
    def says(self) -> str:
        """The demand in words."""
        return f"{self.value:g} throughout"

    def holds(self, values: Sequence[float]) -> bool:
        """Whether all are within .05."""
        return all(abs(value - self.value) <= VALUE for value in values)


@dataclass(frozen=True)
class Bell:
    """Highest at one point and lowest at an end.

    >>> Bell(1).holds([0.0, 1.0, 0.1]), Bell(1).holds([0.0, 0.5, 1.0])
    (True, False)
    """

    top: int

    @property
    def says(self) -> str:
        """The demand in words."""
        return f"a bell around {{{self.top}}}"

    def holds(self, values: Sequence[float]) -> bool:
        """Whether the values have this shape."""
        top = values[self.top]
        lower = min(values[0], values[-1])
        higher = max(values[0], values[-1])
        is_top = top - higher >= HEIGHT and max(values) - top <= SLACK
        return is_top and lower - min(values) <= SLACK


@dataclass(frozen=True)
class Highest:
    """Highest at one point, by whatever: of distances, which have no scale of their own."""

    top: int

    @property
    def says(self) -> str:
        """The demand in words."""
        return f"highest at {{{self.top}}}"

    def holds(self, values: Sequence[float]) -> bool:
        """Whether no other value is as high."""
        return sorted(values)[-2] < values[self.top]


@dataclass(frozen=True)
class Falls:
    """Highest at the first point and lowest at the last, at one between lower by .1.

    between: that point, None where nothing is asked.
    """

    between: int | None = None

    @property
    def says(self) -> str:
        """The demand in words."""
        return "falls" if self.between is None else f"falls, by 0.1 at {{{self.between}}}"

    def holds(self, values: Sequence[float]) -> bool:
        """Whether the values have this shape."""
        first = values[0]
        last = values[-1]
        shape = first - last >= HEIGHT and max(values) - first <= SLACK
        early = self.between is None or first - values[self.between] >= SLACK
        return shape and early and last - min(values) <= SLACK


@dataclass(frozen=True)
class Rises:
    """Lowest at the first point and highest at the last."""

    says: str = "rises"

    def holds(self, values: Sequence[float]) -> bool:
        """Whether the values have this shape."""
        return Falls().holds(values[::-1])


@dataclass(frozen=True)
class Flat:
    """No two values differ by more than .05."""

    says: str = "flat"

    def holds(self, values: Sequence[float]) -> bool:
        """Whether the values have this shape."""
        return max(values) - min(values) <= VALUE


@dataclass(frozen=True)
class Settles:
    """Flat from the middle on.

    >>> Settles().holds([0.9, 0.5, 0.2, 0.21])
    True
    """

    says: str = "flat from the middle on"

    def holds(self, values: Sequence[float]) -> bool:
        """Whether the second half of the points is flat."""
        return Flat().holds(values[len(values) // 2 :])


@dataclass(frozen=True)
class Either:
    """One demand or the other: whether samples spread too widely are diverse is a matter
    of definition."""

    first: Demand
    second: Demand

    @property
    def says(self) -> str:
        """The demand in words."""
        return f"{self.first.says} or {self.second.says}"

    def holds(self, values: Sequence[float]) -> bool:
        """Whether the values meet one of them."""
        return self.first.holds(values) or self.second.holds(values)
