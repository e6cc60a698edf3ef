"""summary.json: what a finished run comes to, from its table of metrics."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

import nc_testbed
from nc_testbed.intervals import Interval, interval, share
from nc_testbed.run.families import headline, ordered

COLLAPSED = 0.25
"""A chain counts as collapsed when its headline is below this share of its own generation 0."""


@dataclass(frozen=True)
class Trajectories:
    """A table of metrics as arrays: one value per chain and generation.

    generations: ``[T]`` and chains: ``[R]``, ascending; values: ``{metric: [R, T]}``, NaN where
    the table has no value.
    """

    generations: NDArray[np.int64]
    chains: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]

    @staticmethod
    def of(table: pa.Table) -> Trajectories:
        """Read the columns generation, chain and one per metric.

        Raises ValueError if a chain has two rows for one generation.
        """
        generations, t = np.unique(_column(table, "generation"), return_inverse=True)
        chains, r = np.unique(_column(table, "chain"), return_inverse=True)
        if len(np.unique(r * len(generations) + t)) < table.num_rows:
            raise ValueError("a chain has two rows for one generation")
        values = {}
        for name in table.column_names:
            if name not in ("generation", "chain"):
                values[name] = np.full((len(chains), len(generations)), np.nan)
                values[name][r, t] = _column(table, name)
        return Trajectories(generations.astype(int), chains.astype(int), values)

    def intervals(self) -> dict[str, Interval]:
        """``{metric: interval over chains [T]}`` in reading order."""
        names = ordered(self.values)
        if not names:
            return {}
        together = interval(np.stack([self.values[name] for name in names], axis=1))
        return {name: together[i] for i, name in enumerate(names)}


def summarise(
    metrics: pa.Table,
    config: Mapping[str, Any],
    wall_s: float,
    device: str,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The content of summary.json, safe for JSON: what is undefined is null.

    metrics: columns generation, chain and one per metric. config: the resolved settings.
    wall_s: seconds the run took. notes: what the run has to say of itself (settings that had no
    effect, floors that were hit), one sentence each.

    ``metrics`` holds for every metric its mean, 95% interval and number of finite chains at the
    first and the last generation. ``headline`` holds the collapsed chains and the worst decile
    of the metric the run is judged by; null where none was measured. ``alarms`` and
    ``verdicts`` belong to analyses that a plain run does not make, so it leaves them empty.
    """
    runs = Trajectories.of(metrics)
    ends = {
        name: {"first": _numbers(ci[0]), "last": _numbers(ci[-1])}
        for name, ci in runs.intervals().items()
    }
    return {
        "name": dict(config.get("name", {})),
        "policy": config.get("name", {}).get("policy"),
        "seed": config.get("seed"),
        "hash": config.get("hash"),
        "chains": len(runs.chains),
        "generations": len(runs.generations),
        "metrics": ends,
        "headline": _headline(runs),
        "alarms": [],
        "verdicts": [],
        "notes": list(notes),
        "wall_s": round(wall_s, 3),
        "device": device,
        "versions": versions(),
    }


def settings(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a result depends on, as dotted keys: no bookkeeping, metrics, dashboard or classes.

    >>> dict(settings({"seed": 0, "policy": {"_target_": "a.B", "k": 1}, "hash": "3f"}))
    {'seed': 0, 'policy.k': 1}
    """
    for key, value in config.items():
        if key in ("record", "hash", "metrics", "dashboard", "compute", "_target_"):
            continue
        if isinstance(value, Mapping):
            prefix = "" if key == "name" else f"{key}."
            yield from ((prefix + inner, x) for inner, x in settings(value))
        else:
            yield key, value


def versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on."""
    return {
        "nc_testbed": nc_testbed.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


def worst_decile(values: NDArray[np.float64]) -> float:
    """Mean of the lowest tenth (rounded up) of the finite values, NaN if there are none.

    >>> worst_decile(np.array([3.0, 1.0, 2.0, float("nan")]))
    1.0
    """
    finite = np.sort(values[np.isfinite(values)])
    return float(finite[: math.ceil(len(finite) / 10)].mean()) if len(finite) else math.nan


def collapsed(values: NDArray[np.float64]) -> tuple[int, int]:
    """How many chains lost three quarters of a falling metric, and how many could be judged.

    values: ``[R, T]``, first and last generation compared. A chain that starts at zero has
    nothing to lose and one that is undefined cannot be judged: neither counts.

    >>> collapsed(np.array([[0.4, 0.0], [0.4, 0.2], [0.0, 0.0], [0.4, float("nan")]]))
    (1, 2)
    """
    first, last = values[:, 0], values[:, -1]
    judged = np.isfinite(first) & np.isfinite(last) & (first > 0)
    return int((last[judged] < COLLAPSED * first[judged]).sum()), int(judged.sum())


def _headline(runs: Trajectories) -> dict[str, Any] | None:
    name = headline(runs.values)
    if name is None:
        return None
    values = runs.values[name]
    count, judged = collapsed(values)
    worst = {end: _number(worst_decile(values[:, t])) for end, t in (("first", 0), ("last", -1))}
    return {
        "metric": name,
        "collapsed_below": COLLAPSED,
        "collapsed": {"count": count, **_numbers(share(count, judged))},
        "worst_decile": worst,
    }


def _numbers(ci: Interval) -> dict[str, float | int | None]:
    ends = {"mean": _number(ci.mean), "low": _number(ci.low), "high": _number(ci.high)}
    return {**ends, "chains": int(ci.chains)}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _column(table: pa.Table, name: str) -> NDArray[np.float64]:
    return table[name].to_numpy().astype(np.float64)
