"""Bad input: one line that names key, value and remedy."""

from __future__ import annotations

from typing import Any

LONGEST = {"key": 100, "value": 300, "remedy": 900}
"""Characters of a complaint's parts that are shown."""


def printable(value: Any, most: int) -> str:
    r"""A value as one line to look at: controls and invisible characters escaped, cut if
    long.

    >>> print(printable("a\n\x1b[31mb", 300), printable("abcdefgh", 4))
    a\n\x1b[31mb abcd.. (8 characters)
    """
    try:
        text = str(value)
    except ValueError:  # Python refuses to write whole numbers of more than 4300 digits
        text = f"a number of {value.bit_length()} bits" if isinstance(value, int) else "a value"
    cut = f".. ({len(text)} characters)" if len(text) > most else ""
    visible = (
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:most]
    )
    return "".join(visible) + cut


class BadInput(Exception):
    """A setting that cannot be run, named by key and value, with its remedy: one line.

    The key is relative to whoever raises it (``k`` inside a policy); the command line
    adds the group's name in front, prints the one line and exits with code 2.

    >>> str(BadInput("k", -1, "give k >= 0"))
    'k=-1: give k >= 0'
    """

    def __init__(self, key: str, value: Any, remedy: str):
        super().__init__(key, value, remedy)
        self.key, self.value, self.remedy = key, value, remedy

    def __str__(self) -> str:
        parts = {"key": self.key, "value": self.value, "remedy": self.remedy}
        key, value, remedy = (printable(part, LONGEST[name]) for name, part in parts.items())
        return f"{key}={value}: {remedy}"

    def within(self, group: str) -> BadInput:
        """The same complaint with the group's name before
        the key, unless it is a run's own."""
        key = self.key if self.key in ("n", "budget", "chains") else f"{group}.{self.key}"
        return BadInput(key, self.value, self.remedy)


def require(condition: bool, key: str, value: Any, remedy: str) -> None:
    """Raise :class:`BadInput` unless the condition holds
    (one place for every range check)."""
    if not condition:
        raise BadInput(key, value, remedy)
