"""What is shown of arms on the same data: which metrics, from which generation to which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nc_testbed.intervals import Interval, share
from nc_testbed.report.compare import Arm, caption, shared_generations
from nc_testbed.run.families import beside, headline
from nc_testbed.run.summary import collapsed, worst_decile
from nc_testbed.types import require

FALLING_IS_BETTER = ("frechet", "sliced_w2", "exact_kl", "kl", "kid", "nll", "w2_squared", "risk")
"""Overall figures that are distances or losses."""


@dataclass(frozen=True)
class Comparison:
    """Arms on one source of data.

    names: the metrics shown. judged_by: the headline metric, None where none was measured. first,
    last: the first and last generation that all arms recorded.
    """

    data: str
    arms: tuple[Arm, ...]
    names: tuple[str, ...]
    judged_by: str | None
    first: int
    last: int

    @property
    def per_chain(self) -> bool:
        """Whether every arm kept a row of metrics per chain."""
        return all(arm.values for arm in self.arms)

    @property
    def overall(self) -> tuple[str, ...]:
        """The metrics beside the headline."""
        return tuple(name for name in self.names if name != self.judged_by)


def comparisons(arms: Sequence[Arm], columns: Sequence[str] = ()) -> list[Comparison]:
    """Arms by their data, in the order they come. columns: the metrics shown, by default
    headline, precision and one overall quality.

    Raises BadInput if a column is missing in an arm, or if arms have no metric in common.
    """
    groups: dict[str, list[Arm]] = {}
    for arm in arms:
        groups.setdefault(arm.config["name"]["data"], []).append(arm)
    return [_comparison(data, group, columns) for data, group in groups.items()]


def at(arm: Arm, name: str, generation: int) -> Interval:
    """A metric's mean with its interval at one generation."""
    return arm.means[name][_index(arm, generation)]


def of_chains(arm: Arm, name: str, generation: int) -> np.ndarray:
    """A metric's values ``[R]`` at one generation, of arms that kept a row per chain."""
    return arm.values[name][:, _index(arm, generation)]


def lost(arm: Arm, compared: Comparison) -> tuple[int, int]:
    """Chains that lost three quarters of the headline, and how many could be judged."""
    ends = (of_chains(arm, str(compared.judged_by), g) for g in (compared.first, compared.last))
    return collapsed(np.stack(list(ends), 1))


def table(compared: Comparison) -> list[list[str]]:
    """A header and a line per arm: each metric at both ends, and of the headline the chains that
    lost three quarters of it with that share's interval, and its worst decile at both ends."""
    ends, judge = list(dict.fromkeys((compared.first, compared.last))), compared.judged_by
    header = ["policy", "chains"]
    header += [f"{name}, generation {g}" for name in compared.names for g in ends]
    judged = judge is not None and compared.per_chain
    if judged:
        header += [f"chains that lost 3/4 of {judge}", f"worst decile of {judge}"]
    lines = [header]
    for arm in compared.arms:
        line = [arm.label, str(arm.chains)]
        line += [at(arm, name, g).text() for name in compared.names for g in ends]
        if judged:
            count, of = lost(arm, compared)
            worst = (f"{worst_decile(of_chains(arm, str(judge), g)):.3g}" for g in ends)
            line += [f"{count} of {of}: {share(count, of).text()}", " to ".join(worst)]
        lines.append(line)
    return lines


def markdown(compared: Comparison) -> str:
    """:func:`table` for a README, and what it rests on."""
    header, *lines = table(compared)
    rows = "".join(f"| {' | '.join(line)} |\n" for line in [header, ["---"] * len(header), *lines])
    return f"{rows}\n{caption(compared.arms)}\n"


def _comparison(data: str, arms: Sequence[Arm], columns: Sequence[str]) -> Comparison:
    shared = [name for name in arms[0].means if all(name in arm.means for arm in arms)]
    plain = [name for name in shared if not re.search(r"_rank_\d+$", name)]
    names = list(columns) or beside(shared) or plain[:3]
    for name in names:
        require(name in shared, "columns", name, f"choose from {', '.join(shared)}")
    require(bool(names), "columns", "none", f"the runs on {data} have no metric in common")
    generations = shared_generations([arm.generations for arm in arms])
    first, last = int(generations[0]), int(generations[-1])
    return Comparison(data, tuple(arms), tuple(names), headline(shared), first, last)


def _index(arm: Arm, generation: int) -> int:
    return int(np.searchsorted(arm.generations, generation))
