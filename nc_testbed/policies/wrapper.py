"""What policies share that change another policy's rows, one by one."""

from __future__ import annotations

from dataclasses import dataclass

from nc_testbed.core.interfaces import Policy


@dataclass(frozen=True)
class Wrapper(Policy):
    """A policy around another one, ``inner``, that chooses the rows."""

    inner: Policy

    @property
    def window(self) -> int | None:  # ty: ignore[incompatible-property-override]
        """Past synthetic sets that the inner policy looks back on."""
        return self.inner.window

    @property
    def trains_on_real(self) -> bool:  # ty: ignore[incompatible-property-override]
        """Whether the inner policy takes real rows."""
        return self.inner.trains_on_real

    def check(self, n: int, budget: int | None, real: int) -> None:
        """Raise BadInput for what the inner policy refuses."""
        self.inner.check(n, budget, real)

    def real_row_budget(self, n: int, budget: int | None) -> dict[str, int]:
        """Real rows that the inner policy takes, by source."""
        return self.inner.real_row_budget(n, budget)

    def needs_rows(self, budget: int | None) -> bool:
        """True: rows are told apart one by one."""
        return True
