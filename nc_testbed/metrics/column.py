"""What is known of a column: meaning, range, direction, and where a person sees it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any, Literal, Self

from nc_testbed.core.errors import require

WORSE = ("lower", "higher", "either")
BETTER = {
    "lower": "more is better",
    "higher": "less is better",
    "either": "neither way is better",
}
"""The direction in words, as captions and axes have it."""
AGAIN = "is no description of columns: leave this run out, or make it again"


@dataclass(frozen=True)
class Column:
    """One column ``[R]`` of a metric; a metric declares ``columns``, ``{name: Column}``.

    A name that ends in ``_i`` stands for one column per rank or coordinate. says: its
    definition. low, high: bounds of its values, included; C is the number of classes (or
    modes), M that of synthetic rows. worse: the direction in which a fit gets worse;
    ``either`` is away from the truth. unit: of its values, "" for a pure number.

    group: where it is shown; groups go by name, and so begin with a digit. chart: the
    title of a chart that it shares with others. headline: its rank among the columns a
    run is judged by, None for most; such a column falls as a chain collapses. fidelity,
    overall: its rank among the two kinds of figure that are read beside the headline,
    since both can rise while it falls.

    >>> Column("of a loss", headline=1)
    Traceback (most recent call last):
    nc_testbed.core.errors.BadInput: headline=1: a headline gets worse as it falls: worse="lower"
    """

    says: str = ""
    low: float = -inf
    high: float | Literal["C", "M"] = inf
    worse: Literal["lower", "higher", "either"] = "higher"
    unit: str = ""
    group: str = "8 other"
    chart: str = ""
    headline: int | None = None
    fidelity: int | None = None
    overall: int | None = None

    def __post_init__(self) -> None:
        require(self.worse in WORSE, "worse", self.worse, f"choose from {', '.join(WORSE)}")
        # A chain has collapsed once it lost three quarters of the headline.
        falls = self.headline is None or self.worse == "lower"
        remedy = 'a headline gets worse as it falls: worse="lower"'
        require(falls, "headline", self.headline, remedy)

    @property
    def better(self) -> str:
        """The direction in words.

        >>> Column(worse="lower").better
        'more is better'
        """
        return BETTER[self.worse]

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is, 0 where neither way is."""
        return {"lower": 1, "higher": -1, "either": 0}[self.worse]

    @property
    def is_share(self) -> bool:
        """Whether its values lie between 0 and 1."""
        return (self.low, self.high) == (0, 1)

    def holds(self, value: float, classes: int, rows: int) -> bool:
        """Whether a value lies in the range, but for rounding; NaN does.

        >>> Column("share", 0, 1).holds(1.5, classes=3, rows=100)
        False
        """
        high = {"C": classes, "M": rows}.get(str(self.high), self.high)
        slack = 1e-9
        return not (value < self.low - slack or value > float(high) + slack)


UNDECLARED = Column(worse="either")
"""What is known of a column that nobody describes: nothing is said of its direction."""
DEFAULTS = {field.name: field.default for field in fields(Column)}


class Columns(Mapping[str, Column]):
    """The columns that a run's metrics and model declare, by name.

    ``columns[name]`` is the declaration of a measured column: its own, else that of its
    name with ``_i`` for the number at its end, else :data:`UNDECLARED`.

    >>> declared = Columns({"x_rank_i": Column("of a class")})
    >>> declared["x_rank_12"].says, declared["y"].worse
    ('of a class', 'either')
    """

    def __init__(self, declared: Mapping[str, Column]):
        self._declared = dict(declared)

    @classmethod
    def declared_by(cls, sources: Iterable[Any]) -> Self:
        """What metrics and models declare in ``columns``; some may declare nothing."""
        declared: dict[str, Column] = {}
        for source in sources:
            declared |= getattr(source, "columns", {})
        return cls(declared)

    @classmethod
    def from_records(cls, *configs: Mapping[str, Any]) -> Self:
        """What the records of runs say (``facts.columns``); of two that differ the first
        counts.

        Raises BadInput for a record that holds something else.
        """
        declared: dict[str, Column] = {}
        for config in configs:
            nodes = config.get("facts", {}).get("columns", {})
            require(isinstance(nodes, Mapping), "facts.columns", nodes, AGAIN)
            for name, node in nodes.items():
                if name not in declared:
                    declared[str(name)] = _read_column(name, node)
        return cls(declared)

    def as_record(self) -> dict[str, dict[str, Any]]:
        """Plain values for a run's record; what is as by default is left out.

        >>> Columns({"x": Column("a share", 0, 1)}).as_record()
        {'x': {'says': 'a share', 'low': 0, 'high': 1}}
        """
        return {
            name: {
                key: value for key, value in asdict(column).items() if value != DEFAULTS[key]
            }
            for name, column in self._declared.items()
        }

    def __getitem__(self, name: str) -> Column:
        numbered = re.sub(r"_\d+$", "_i", name)
        return self._declared.get(name) or self._declared.get(numbered, UNDECLARED)

    def __contains__(self, name: object) -> bool:
        return self[str(name)] is not UNDECLARED

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)

    def headline(self, names: Iterable[str]) -> str | None:
        """The column a run is judged by: the first by rank of these, None where none has
        one."""
        return self._first("headline", names)

    def beside(self, names: Iterable[str]) -> list[str]:
        """Headline, fidelity and one overall figure, as far as measured: read them
        together.

        The last two can rise while the tail dies.
        """
        measured = list(names)
        firsts = [self._first(kind, measured) for kind in ("headline", "fidelity", "overall")]
        return list(dict.fromkeys(name for name in firsts if name is not None))

    def in_reading_order(self, names: Iterable[str]) -> list[str]:
        """Those of :meth:`beside`, then the others by group, each group as it came."""
        measured = list(names)
        first = self.beside(measured)
        others = [name for name in measured if name not in first]
        return first + sorted(others, key=lambda name: self[name].group)

    def charts(self, names: Iterable[str]) -> dict[str, list[str]]:
        """``{title: columns}`` of the charts that columns share, in the order of
        declaration."""
        measured = set(names)
        charts: dict[str, list[str]] = {}
        for name, column in self._declared.items():
            if column.chart and name in measured:
                charts.setdefault(column.chart, []).append(name)
        return charts

    def _first(self, kind: str, names: Iterable[str]) -> str | None:
        ranks = {name: getattr(self[name], kind) for name in names}
        ranked = [name for name, rank in ranks.items() if rank is not None]
        return min(ranked, key=lambda name: ranks[name], default=None)


def is_of_class(name: str) -> bool:
    """Whether a column is of a single class: such are too many to be shown one by one.

    >>> is_of_class("recall_rank_12"), is_of_class("recall")
    (True, False)
    """
    return re.search(r"_rank_\d+$", name) is not None


def _read_column(name: object, node: Any) -> Column:
    """One column of a record, which somebody else may have written; BadInput for none."""
    plain = isinstance(node, Mapping) and node.keys() <= DEFAULTS.keys()
    plain = plain and all(_is_plain(key, value) for key, value in node.items())
    require(plain, f"facts.columns.{name}", node, AGAIN)
    return Column(**node)


def _is_plain(field: str, value: Any) -> bool:
    """Whether a value is of the type that a field of a column has."""
    if isinstance(DEFAULTS[field], str):
        return isinstance(value, str)
    if field == "high" and value in ("C", "M"):
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)
