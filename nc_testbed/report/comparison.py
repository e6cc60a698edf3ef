"""What is shown of arms on the same data: which metrics, from which generation to
which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nc_testbed.core.errors import require
from nc_testbed.core.intervals import Interval
from nc_testbed.metrics.column import Columns, is_of_class
from nc_testbed.record.floors import caveats_of, floor_refusal
from nc_testbed.record.summary import count_collapsed
from nc_testbed.report.arm import Arm, as_arms, shared_generations
from nc_testbed.report.read_run import FinishedRun


@dataclass(frozen=True)
class Comparison:
    """Arms on one source of data.

    names: the metrics shown. judged_by: the headline metric, None where none was
    measured or where its floor is too high in any arm. first, last: the first and last
    generation that all arms recorded.
    """

    data: str
    arms: tuple[Arm, ...]
    names: tuple[str, ...]
    judged_by: str | None
    first: int
    last: int

    @cached_property
    def columns(self) -> Columns:
        """What the records of the runs say of their columns."""
        return Columns.from_records(*(arm.config for arm in self.arms))

    @property
    def per_chain(self) -> bool:
        """Whether every arm kept a row of metrics per chain."""
        return all(arm.values for arm in self.arms)

    @property
    def caveats(self) -> list[str]:
        """What a reader of these arms must know of their measures, each sentence after the
        arms it is true of, if these are not all."""
        arms_of: dict[str, list[str]] = {}
        for arm in self.arms:
            for sentence in caveats_of(arm.config, arm.controls, arm.means):
                arms_of.setdefault(sentence, []).append(arm.label)
        return [
            sentence if len(labels) == len(self.arms) else f"{', '.join(labels)}: {sentence}"
            for sentence, labels in arms_of.items()
        ]

    @property
    def refusals(self) -> list[str]:
        """Why the headline is no measure of these data, a sentence per floor that is too
        high."""
        return _refusals(self.arms, self.arms[0].means)

    @property
    def overall(self) -> tuple[str, ...]:
        """The metrics beside the headline."""
        return tuple(name for name in self.names if name != self.judged_by)


def comparisons(runs: Sequence[FinishedRun], columns: Sequence[str] = ()) -> list[Comparison]:
    """Runs by their data, in the order they come. columns: the metrics shown, by default
    headline, fidelity and one overall figure.

    Raises BadInput if a column is missing in a run, or if runs have no metric in common.
    """
    groups: dict[str, list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault(run.config["name"]["data"], []).append(run)
    return [_comparison(data, as_arms(group), columns) for data, group in groups.items()]


def at(arm: Arm, name: str, generation: int) -> Interval:
    """A metric's mean with its interval at one generation."""
    return arm.means[name][_index(arm, generation)]


def of_chains(arm: Arm, name: str, generation: int) -> np.ndarray:
    """A metric's values ``[R]`` at one generation, of arms that kept a row per chain."""
    return arm.values[name][:, _index(arm, generation)]


def lost(arm: Arm, compared: Comparison) -> tuple[int, int]:
    """Chains that lost three quarters of the headline, and how many could be judged."""
    ends = (of_chains(arm, str(compared.judged_by), g) for g in (compared.first, compared.last))
    return count_collapsed(np.stack(list(ends), 1))


def _comparison(data: str, arms: Sequence[Arm], columns: Sequence[str]) -> Comparison:
    shared = [name for name in arms[0].means if all(name in arm.means for arm in arms)]
    described = Columns.from_records(*(arm.config for arm in arms))
    several = [name for name in shared if not is_of_class(name)]
    headline = described.headline(shared)
    judged_by = None if _refusals(arms, shared) else headline
    beside = [x for x in described.beside(shared) if judged_by is not None or x != headline]
    names = list(columns) or beside
    names = names or described.in_reading_order(several)[:3]
    for name in names:
        require(name in shared, "columns", name, f"choose from {', '.join(shared)}")
    require(bool(names), "columns", "none", f"the runs on {data} have no metric in common")
    generations = shared_generations([arm.generations for arm in arms])
    first = int(generations[0])
    last = int(generations[-1])
    return Comparison(data, tuple(arms), tuple(names), judged_by, first, last)


def _refusals(arms: Sequence[Arm], names: Iterable[str]) -> list[str]:
    """The refusals of the headline among these columns, of any arm."""
    headline = Columns.from_records(*(arm.config for arm in arms)).headline(names)
    if headline is None:
        return []
    sentences = (floor_refusal(arm.controls, headline) for arm in arms)
    return list(dict.fromkeys(sentence for sentence in sentences if sentence))


def _index(arm: Arm, generation: int) -> int:
    return int(np.searchsorted(arm.generations, generation))
