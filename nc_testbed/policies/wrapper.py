"""What policies share that change another policy's rows, one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from nc_testbed.core.interfaces import Policy, Training
from nc_testbed.core.rng import RandomStreams


@dataclass(frozen=True)
class Wrapper(ABC):
    """A policy around another one, ``inner``, that chooses the rows."""

    inner: Policy

    @property
    def window(self) -> int | None:
        """The inner policy's."""
        return self.inner.window

    @property
    def trains_on_real(self) -> bool:
        """The inner policy's."""
        return self.inner.trains_on_real

    def check(self, n: int, budget: int | None, real: int) -> None:
        """What the inner policy refuses."""
        self.inner.check(n, budget, real)

    def real_row_budget(self, n: int, budget: int | None) -> dict[str, int]:
        """The inner policy's."""
        return self.inner.real_row_budget(n, budget)

    def needs_rows(self, budget: int | None) -> bool:
        """True: rows are told apart one by one."""
        return True

    @abstractmethod
    def compose(self, archive: Any, streams: RandomStreams, budget: int | None) -> Training:
        """The inner policy's rows, changed."""
