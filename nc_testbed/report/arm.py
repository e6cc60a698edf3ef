"""Arms: finished runs that differ in their seed only, their chains counted together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nc_testbed.core.errors import require
from nc_testbed.core.intervals import Interval
from nc_testbed.record.arm_labels import labels
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.record.controls import Controls
from nc_testbed.record.summary import settings
from nc_testbed.report.find_runs import gather_runs
from nc_testbed.report.read_run import FinishedRun


@dataclass(frozen=True)
class Arm:
    """Finished runs that differ in their seed only; their chains count together.

    folders: the runs; config: the first one's settings; values: ``{metric: [R, T]}`` over
    the generations ``[T]`` that all of them reached; empty where a run kept summaries
    only. means: ``{metric: interval [T]}``. laws: as summary.json has them, those alone
    that all runs share; of several runs without z. alarms: a single run's own. paired_by:
    the seed of every chain and its number in its run: chains of other arms with the same
    two share their streams. controls: as :func:`join_controls` has them.
    """

    label: str
    folders: tuple[Path, ...]
    config: dict[str, Any]
    devices: tuple[str, ...]
    generations: np.ndarray
    chains: int
    values: dict[str, np.ndarray]
    means: dict[str, Interval]
    laws: dict[str, Any]
    alarms: list[dict[str, Any]]
    paired_by: tuple[tuple[int, int], ...] = ()
    controls: Controls = field(default_factory=dict)

    def bounds(self, name: str) -> tuple[float, float]:
        """The range of a column's values, infinite where the record tells of none."""
        return ChainStatistics.from_records(self.config).bounds(name)

    def law(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """A metric's exact law, generations and values; None where there is none."""
        law = self.laws.get(name)
        if law is None:
            return None
        return np.array(law["generations"]), np.array(law["values"], dtype=np.float64)


def read_arms(paths: Iterable[Path]) -> list[Arm]:
    """The finished runs at or below the paths (:mod:`find_runs`), as arms."""
    return as_arms(gather_runs(paths).runs)


def as_arms(runs: Sequence[FinishedRun]) -> list[Arm]:
    """Finished runs, grouped by their settings but the seed, in their order."""
    groups: dict[str, list[FinishedRun]] = {}
    for run, label in zip(runs, labels([run.config for run in runs]), strict=True):
        groups.setdefault(label, []).append(run)
    return [_join(label, group) for label, group in groups.items()]


def shared_generations(recorded: Sequence[np.ndarray]) -> np.ndarray:
    """The generations that are in all of these; raises BadInput where there is none."""
    shared = set(recorded[0].tolist())
    shared = shared.intersection(*(generations.tolist() for generations in recorded))
    remedy = "the runs recorded no generation in common; compare them one at a time"
    require(bool(shared), "record.generations", "none", remedy)
    return np.array(sorted(shared))


def value_of(arm: Arm, key: str) -> Any:
    """The value of a dotted key such as ``policy.k`` or ``n``; None where the arm has no
    such key.

    ``data``, ``model`` and ``policy`` are their names.
    """
    return dict(settings(arm.config)).get(key)


def group_arms(arms: Sequence[Arm], key: str | None) -> dict[Any, list[Arm]]:
    """Arms by the value of a setting, in the order they come; all of them where key is
    None.

    Raises BadInput for a key that no arm has.
    """
    keys = [name for arm in arms for name, _ in settings(arm.config)]
    valid = key is None or key in keys
    require(valid, "figure", key, "name a setting such as data or policy.k")
    groups: dict[Any, list[Arm]] = {}
    for arm in arms:
        groups.setdefault(None if key is None else value_of(arm, key), []).append(arm)
    return groups


def distinct_arms(arms: Sequence[Arm]) -> list[Arm]:
    """The arms, less those that repeat an earlier one, with labels that tell these apart.

    A sweep is a grid, and a setting may change nothing beside others (the source of no
    real row): such runs are the same to the last bit.
    """
    different: list[Arm] = []
    for arm in arms:
        if not any(_same_curves(arm, other) for other in different):
            different.append(arm)
    names = labels([arm.config for arm in different])
    return [replace(arm, label=name) for arm, name in zip(different, names, strict=True)]


def _join(label: str, runs: list[FinishedRun]) -> Arm:
    """One arm of runs that differ in their seed."""
    summaries = [run.summary for run in runs]
    generations, values, means = _curves(runs)
    is_single = len(runs) == 1
    laws = [summary["laws"] for summary in summaries]
    return Arm(
        label,
        tuple(run.folder for run in runs),
        runs[0].config,
        tuple(dict.fromkeys(summary["device"] for summary in summaries)),
        generations,
        sum(run.trajectories.chains for run in runs),
        values,
        means,
        laws[0] if is_single else _shared_laws(laws),
        summaries[0]["alarms"] if is_single else [],
        tuple((run.config["seed"], i) for run in runs for i in range(run.trajectories.chains)),
        join_controls([summary["controls"] for summary in summaries]),
    )


def join_controls(controls: Sequence[Controls]) -> Controls:
    """The controls of several runs as one: of every column that was defined the lowest
    end, the mean of means, the highest end; runs without controls do not count.

    >>> join_controls([{"noise": {"x": [0, 0.1, 0.5]}}, {"noise": {"x": [0.1, 0.3, None]}}, {}])
    {'noise': {'x': [0, 0.2, 0.5]}}
    """
    joined: dict[str, dict[str, list[float | None]]] = {}
    keys = [(control, name) for x in controls for control in x for name in x[control]]
    for control, name in dict.fromkeys(keys):
        rows = [x[control][name] for x in controls if name in x.get(control, {})]
        low, mean, high = ([x for x in end if x is not None] for end in zip(*rows, strict=True))
        joined.setdefault(control, {})[name] = [
            min(low, default=None),
            sum(mean) / len(mean) if mean else None,
            max(high, default=None),
        ]
    return joined


def _curves(
    runs: Sequence[FinishedRun],
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, Interval]]:
    """Generations ``[T]``, values ``[R, T]`` and means ``[T]`` of all chains."""
    tables = [run.trajectories for run in runs]
    if len(tables) == 1:
        return tables[0].generations, tables[0].values, tables[0].intervals
    remedy = "seeds cannot be joined where chains were summarised; compare one at a time"
    require(all(table.values for table in tables), "record.chains", "summary", remedy)
    generations = shared_generations([table.generations for table in tables])
    columns = [np.isin(table.generations, generations) for table in tables]
    names = [name for name in tables[0].values if all(name in t.values for t in tables)]
    values = {}
    for name in names:
        parts = [table.values[name][:, at] for table, at in zip(tables, columns, strict=True)]
        values[name] = np.concatenate(parts)
    statistics = ChainStatistics.from_records(*(run.config for run in runs))
    return generations, values, statistics.intervals(values)


def work_per_fit(model: Mapping[str, Any]) -> str:
    """The work of one fit in words, from a model's settings; empty where they name none.

    >>> work_per_fit({"steps": 1200}), work_per_fit({"max_iter": 100}), work_per_fit({})
    ('1200 steps per fit', 'at most 100 EM steps per fit', '')
    """
    if model.get("steps"):
        return f"{model['steps']} steps per fit"
    if model.get("max_iter"):
        return f"at most {model['max_iter']} EM steps per fit"
    return ""


def _shared_laws(laws: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The laws that are the same curve in every run; z belongs to a run's own chains."""
    curve = ("generations", "values")
    return {
        name: {**law, "z": [None] * len(law["z"])}
        for name, law in laws[0].items()
        if all(name in other and all(other[name][k] == law[k] for k in curve) for other in laws)
    }


def _same_curves(a: Arm, b: Arm) -> bool:
    """Whether all means of two arms are the same to the last bit."""
    if a.means.keys() != b.means.keys() or not np.array_equal(a.generations, b.generations):
        return False
    return all(
        np.array_equal(a.means[k].mean, b.means[k].mean, equal_nan=True) for k in a.means
    )
