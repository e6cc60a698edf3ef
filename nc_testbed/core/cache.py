"""What all runs of one command have in common is read once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from typing import Any

MOST = 2
"""Values that are kept, the last ones; real rows are the largest of them."""
_kept: dict[Hashable, Any] | None = None


@contextmanager
def caching() -> Generator[None]:
    """While it is entered, :func:`once` keeps what it has made: files must stay as they are.

    >>> with caching():
    ...     from_cache("a", list) is from_cache("a", list)
    True
    """
    global _kept
    before, _kept = _kept, {}
    try:
        yield
    finally:
        _kept = before


def from_cache(key: Hashable, make: Callable[[], Any]) -> Any:
    """``make()``, or what it gave before for this key.

    >>> from_cache("a", list) is from_cache("a", list)
    False
    """
    if _kept is None:
        return make()
    if key not in _kept:
        while len(_kept) >= MOST:
            del _kept[next(iter(_kept))]
        _kept[key] = make()
    return _kept[key]
