"""Range checks of settings; their types are checked where they are built."""

from __future__ import annotations

import math
from typing import Any

from nc_testbed.core.errors import require


def check_whole(key: str, value: int | None, least: int, optional: bool = False) -> None:
    """Raise BadInput unless the value is at least ``least`` (or None, if optional).

    >>> check_whole("rows", None, least=1, optional=True)
    >>> check_whole("rows", 0, least=1)
    Traceback (most recent call last):
    nc_testbed.core.errors.BadInput: rows=0: give a whole number of at least 1
    """
    null = ", or null" if optional else ""
    in_range = optional if value is None else value >= least
    require(in_range, key, value, f"give a whole number of at least {least}{null}")


def check_number(key: str, value: float, least: float, below: float = math.inf) -> None:
    """Raise BadInput unless ``least <= value < below`` ; NaN is no such number.

    >>> check_number("reserve", 0.2, 0, 1)
    """
    limit = "" if math.isinf(below) else f" and below {below:g}"
    remedy = f"give a finite number of at least {least:g}{limit}"
    require(least <= value < below, key, value, remedy)


def check_choice(key: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise BadInput unless the value is one of the words."""
    require(value in choices, key, value, f"give one of {', '.join(choices)}")


def check_path(key: str, value: Any, remedy: str) -> None:
    """Raise BadInput unless the value is a path: text that is not empty and holds no NUL."""
    require(isinstance(value, str) and value != "" and "\0" not in value, key, value, remedy)
