"""The table of controls: a line for each, the columns that are read first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nc_testbed.metrics.column import Columns, is_of_class

WIDEST = 100
"""Letters of a line."""
NAME = 26
"""Letters of a control's name."""


def table_columns(columns: Columns, names: Iterable[str]) -> list[str]:
    """The columns of the table, as many as fit into a line: headline, fidelity and one
    overall figure, fidelity in other features, then the others in reading order."""
    measured = [name for name in names if not is_of_class(name)]
    first = columns.beside(measured)
    fidelity = [name for name in first if columns[name].fidelity is not None]
    beside = [name for name in measured if name.startswith(tuple(fidelity))] if fidelity else []
    ordered = [*first, *beside, *columns.in_reading_order(measured)]
    selected: list[str] = []
    width = NAME
    for name in dict.fromkeys(ordered):
        width += 2 + max(len(name), 6)
        if width > WIDEST:
            break
        selected.append(name)
    return selected


def header_line(names: Sequence[str], first: str = "control") -> str:
    """The names of the columns, each above its numbers."""
    return "  ".join([f"{first:{NAME}}", *(f"{name:>{max(len(name), 6)}}" for name in names)])


def control_line(
    control: str, names: Sequence[str], numbers: Mapping[str, Sequence[float | None]]
) -> str:
    """The means of one control; ``-`` for what is undefined.

    numbers: ``{column: [low, mean, high]}``.

    >>> control_line("real", ["recall"], {"recall": [0.9, 0.951, 1.0]})[20:]
    '         0.951'
    """
    texts = [_number(numbers[name][1]) if name in numbers else "-" for name in names]
    pairs = zip(texts, names, strict=True)
    return "  ".join(
        [f"{control:{NAME}}", *(f"{text:>{max(len(name), 6)}}" for text, name in pairs)]
    )


def _number(value: float | None) -> str:
    """A mean in six letters, if it can be."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
