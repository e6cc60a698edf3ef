"""What a search minimises (or maximises): one number of a finished run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_testbed.config.build import build, nearest
from nc_testbed.config.config_file import load_config
from nc_testbed.core.errors import require


@dataclass(frozen=True)
class Objective:
    """The mean of ``metric`` over chains at the last generation; or, with ``smallest``
    and ``at_least``, the value of that setting where the mean is at least so much, and
    otherwise n + (at_least - mean), n the rows of a generation.

    Minimised, the second is the smallest value that keeps the metric above the bound: one
    that does not is worse than every number of rows, and the worse the further it falls
    short.
    """

    metric: str
    smallest: str | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        remedy = "give both smallest and at_least, or neither"
        is_pair = (self.smallest is None) == (self.at_least is None)
        require(is_pair, "smallest", self.smallest, remedy)

    def check(self, config: Mapping[str, Any]) -> None:
        """Raise BadInput where these settings have no such number to make small."""
        if self.smallest is not None:
            value = _setting(config, self.smallest)
            remedy = "no number among the settings of this run"
            require(_is_number(value), "objective.smallest", self.smallest, remedy)

    def value(self, config: Mapping[str, Any], run: Path) -> float:
        """The number of a finished run; BadInput where its metric was not measured."""
        summary = json.loads((run / "summary.json").read_bytes())
        remedy = nearest(self.metric, summary["metrics"])
        is_measured = self.metric in summary["metrics"]
        require(is_measured, "objective.metric", self.metric, remedy)
        mean = summary["metrics"][self.metric]["last"]["mean"]
        undefined = f"undefined in every chain at generation {summary['last']}"
        require(mean is not None, "objective.metric", self.metric, undefined)
        if self.smallest is None or self.at_least is None:
            return mean
        if mean >= self.at_least:
            return float(_setting(config, self.smallest))
        return _rows(run) + self.at_least - mean


def objective_of(node: Any) -> Objective | None:
    """The objective that ``objective=`` asks for, None where there is none."""
    if node is None:
        return None
    remedy = "give {metric: name}, or null"
    require(isinstance(node, Mapping) and "metric" in node, "objective", node, remedy)
    return build(Objective, dict(node), "objective.")


def _setting(config: Mapping[str, Any], key: str) -> Any:
    node: Any = config
    for name in key.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    )


def _rows(run: Path) -> int:
    """Most rows that a generation of the run draws."""
    config = load_config(run)
    n = config["facts"]["n"] if config else 0
    return max(n) if isinstance(n, list) else n
