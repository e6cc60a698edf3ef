"""Range checks of a source's settings; their types
are checked where settings are built."""

from __future__ import annotations

import math

from nc_testbed.core.errors import require


def check_at_least(key: str, value: int | None, low: int) -> None:
    """Raise BadInput unless the value is at least ``low``, or None where the field allows
    it.

    >>> check_at_least("rows", None, 1)
    >>> check_at_least("rows", 0, 1)
    Traceback (most recent call last):
    nc_testbed.core.errors.BadInput: rows=0: give a whole number of at least 1
    """
    ok = value is None or value >= low
    require(ok, key, value, f"give a whole number of at least {low}")


def check_range(key: str, value: float | None, low: float, below: float = math.inf) -> None:
    """Raise BadInput unless ``low <= value < below``, or None where the field allows it.

    NaN is in no range.

    >>> check_range("reserve", 0.2, 0, 1)
    """
    limit = "" if math.isinf(below) else f" and below {below:g}"
    remedy = f"give a finite number of at least {low:g}{limit}"
    require(value is None or low <= value < below, key, value, remedy)


def check_path(key: str, value: str | None, remedy: str) -> None:
    """Raise BadInput unless the value is text that is not empty and holds no NUL."""
    require(value is not None and value != "" and "\0" not in value, key, value, remedy)
