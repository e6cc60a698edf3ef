"""summary.json: what a finished run comes to, from its table of metrics."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

import nc_testbed
from nc_testbed.core.intervals import Interval, share
from nc_testbed.laws.law import ExactLaw
from nc_testbed.record.alarms import alarms
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.record.controls import Controls, as_plain
from nc_testbed.record.floors import floor_refusal, refused_classes
from nc_testbed.record.law_check import law_check
from nc_testbed.record.tables import Trajectories

COLLAPSED = 0.25
"""A chain counts as collapsed when its headline is below this share of its own generation
0."""


def summarise(
    metrics: pa.Table,
    config: Mapping[str, Any],
    wall_s: float,
    device: str,
    notes: Sequence[str] = (),
    laws: Mapping[str, ExactLaw] | None = None,
    controls: Controls | None = None,
) -> dict[str, Any]:
    """The content of summary.json, safe for JSON: what is undefined is null.

    metrics: a table of :mod:`nc_testbed.record.tables`. config: the resolved settings.
    wall_s: seconds the run took. notes: what the run has to say of itself (settings that
    had no effect, floors that were hit), one sentence each. laws: exact laws by metric.
    controls: what every column reads on rows whose worth is known, None where that was not
    measured.

    ``metrics`` holds for every metric its mean, 95% interval and number of finite chains
    at the first and the last generation, of fewer than eight chains also their
    ``values``. ``headline`` holds the collapsed chains, the worst decile and the lowest
    and highest chain of the metric the run is judged by; null where none was measured, and
    where its floor is so high that it is no measure: ``headline_refused`` then says so in a
    sentence. ``classes_refused`` names the single classes of which that is true, null for
    none (see :mod:`nc_testbed.record.floors`). ``controls`` is as given, ``{}`` for None.
    ``referee_accuracy`` is the share of held-out rows whose class the referee tells, null
    where it tells none.
    ``status`` counts the chains by their status at the last generation, and ``troubles``
    holds, for every word but ok that occurred, the first generation that had such a chain
    and how many one had at most (see :func:`nc_testbed.core.status.status`). ``laws``
    holds, for every metric that has one, its name and source, its values, the z-scores of
    the means and the last generation's verdict (see :mod:`nc_testbed.theory.rules`).
    ``alarms`` holds when the tail was seen to die (see :mod:`nc_testbed.record.alarms`).
    ``verdicts`` belong to analyses that a plain run does not make, so it leaves them
    empty. ``notes`` end with what is to be said of the number of chains.
    """
    statistics = ChainStatistics.from_records(config)
    runs = Trajectories.of(metrics, statistics)
    levels = as_plain(controls or {})
    columns = statistics.columns
    first_and_last = {
        name: {
            "first": _numbers(runs.intervals[name][0]),
            "last": _numbers(runs.intervals[name][-1]),
        }
        for name in columns.in_reading_order(runs.intervals)
    }
    judged_by = columns.headline(runs.values)
    refusal = None if judged_by is None else floor_refusal(levels, judged_by)
    return {
        "name": dict(config.get("name", {})),
        "policy": config.get("name", {}).get("policy"),
        "seed": config.get("seed"),
        "hash": config.get("hash"),
        "chains": runs.chains,
        "generations": len(runs.generations),
        "first": int(runs.generations[0]),
        "last": int(runs.generations[-1]),
        "metrics": first_and_last,
        "headline": _headline(runs, None if refusal else judged_by),
        "headline_refused": refusal,
        "classes_refused": refused_classes(levels, judged_by) if judged_by else None,
        "controls": levels,
        "referee_accuracy": config.get("facts", {}).get("referee_accuracy"),
        "status": _status(runs),
        "troubles": _troubles(runs),
        "laws": {name: _beside_law(runs, name, law) for name, law in (laws or {}).items()},
        "alarms": alarms(runs, config),
        "verdicts": [],
        "notes": [*notes, *statistics.notes(runs.chains)],
        "wall_s": round(wall_s, 3),
        "device": device,
        "versions": software_versions(),
    }


def settings(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a result depends on, as dotted keys: no bookkeeping, metrics, dashboard or
    classes.

    >>> dict(settings({"seed": 0, "policy": {"_target_": "a.B", "k": 1}, "hash": "3f"}))
    {'seed': 0, 'policy.k': 1}

    A part that was chosen within another one is named by its class:

    >>> dict(settings({"policy": {"_target_": "a.B", "inner": {"_target_": "a.C"}}}))
    {'policy.inner': 'C'}
    """
    for key, value in config.items():
        if key in ("facts", "record", "hash", "metrics", "dashboard", "compute", "_target_"):
            continue
        if isinstance(value, Mapping):
            if "_target_" in config and "_target_" in value:
                yield key, str(value["_target_"]).rpartition(".")[2]
            prefix = "" if key == "name" else f"{key}."
            yield from ((prefix + inner, x) for inner, x in settings(value))
        else:
            yield key, value


def software_versions() -> dict[str, str]:
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


def extremes(values: NDArray[np.float64]) -> tuple[float, float]:
    """The lowest and the highest of the finite values, NaN if there are none.

    >>> extremes(np.array([3.0, 1.0, float("nan")]))
    (1.0, 3.0)
    """
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (math.nan, math.nan)


def count_collapsed(values: NDArray[np.float64]) -> tuple[int, int]:
    """How many chains lost three quarters of a falling metric, and how many could be
    judged.

    values: ``[R, T]``, first and last generation compared. A chain that starts at zero
    has nothing to lose and one that is undefined cannot be judged: neither counts.

    >>> count_collapsed(np.array([[0.4, 0.0], [0.4, 0.2], [0.0, 0.0], [0.4, float("nan")]]))
    (1, 2)
    """
    first = values[:, 0]
    last = values[:, -1]
    comparable = np.isfinite(first) & np.isfinite(last) & (first > 0)
    return int((last[comparable] < COLLAPSED * first[comparable]).sum()), int(comparable.sum())


def _headline(runs: Trajectories, name: str | None) -> dict[str, Any] | None:
    if name is None:
        return None
    values = runs.values[name]
    count, comparable = count_collapsed(values)
    return {
        "metric": name,
        "collapsed_below": COLLAPSED,
        "collapsed": {"count": count, **_numbers(share(count, comparable))},
        "worst_decile": _both_ends(worst_decile, values),
        "lowest": _both_ends(lambda x: extremes(x)[0], values),
        "highest": _both_ends(lambda x: extremes(x)[1], values),
    }


def _both_ends(
    statistic: Callable[[NDArray[np.float64]], float], values: NDArray[np.float64]
) -> dict[str, float | None]:
    """A statistic of the chains ``[R]`` at the first and the last generation."""
    return {end: _number(statistic(values[:, t])) for end, t in (("first", 0), ("last", -1))}


def _status(runs: Trajectories) -> dict[str, int]:
    last = {word: int(counts[-1]) for word, counts in runs.troubles.items() if counts[-1]}
    ok = runs.chains - sum(last.values())
    return ({"ok": ok} if ok else {}) | last if runs.troubles else {}


def _troubles(runs: Trajectories) -> dict[str, dict[str, int]]:
    return {
        word: {"first": int(runs.generations[(counts > 0).argmax()]), "most": int(counts.max())}
        for word, counts in runs.troubles.items()
        if counts.any()
    }


def _beside_law(runs: Trajectories, name: str, law: ExactLaw) -> dict[str, Any]:
    """A law beside what was measured, at every recorded generation."""
    checks = [law_check(runs, name, law, t) for t in range(len(runs.generations))]
    return {
        "law": law.name,
        "source": law.source,
        "generations": runs.generations.tolist(),
        "values": [_number(check.law) for check in checks],
        "z": [_number(check.z) for check in checks],
        "verdict": checks[-1].verdict,
    }


def interval_of(numbers: Mapping[str, Any]) -> Interval:
    """A mean with its interval as a summary keeps it."""
    mean, low, high = (_value(numbers[key]) for key in ("mean", "low", "high"))
    numbers_of_chains = numbers.get("values")
    values = None
    if numbers_of_chains is not None:
        values = [_value(number) for number in numbers_of_chains]
    return Interval.of(mean, low, high, numbers["chains"], values)


def _numbers(ci: Interval) -> dict[str, Any]:
    numbers = {"mean": _number(ci.mean), "low": _number(ci.low), "high": _number(ci.high)}
    of_chains = {} if ci.values is None else {"values": [_number(x) for x in ci.values]}
    return {**numbers, "chains": int(ci.chains)} | of_chains


def _value(number: float | None) -> float:
    return math.nan if number is None else number


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
