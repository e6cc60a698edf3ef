"""Metrics as tables: a row per chain, or moments and quantiles over chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import stats

from nc_testbed.core.interfaces import Generation
from nc_testbed.core.intervals import Interval, interval
from nc_testbed.core.status import WORDS
from nc_testbed.metrics.column import Columns
from nc_testbed.record.chain_statistics import ChainStatistics

_TROUBLES = list(enumerate(WORDS))[1:]
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
UNDECLARED_COLUMNS = ChainStatistics(Columns({}))
"""Of a table whose columns nobody describes: their values have no bounds."""


def chain_rows(generation: Generation) -> pa.Table:
    """Columns generation, chain and one per metric."""
    chains = len(next(iter(generation.record.values())))
    columns = {"generation": [generation.number] * chains, "chain": list(range(chains))}
    return pa.table(columns | {k: v.numpy() for k, v in generation.record.items()})


def summary_rows(
    generation: Generation, statistics: ChainStatistics = UNDECLARED_COLUMNS
) -> pa.Table:
    """A row per metric, over its finite chains; of ``status`` one per word but ok, of
    shares.

    Columns generation, metric, chains (finite ones), of (all), mean, low and high (its
    95% interval), sd, skewness, excess kurtosis, and the quantiles q0 .. q100.
    """
    rows = []
    columns = {name: x.numpy() for name, x in generation.record.items()}
    status = columns.pop("status", None)
    intervals = statistics.intervals(columns)
    if status is not None:
        troubles = {f"status_{word}": 1.0 * (status == i) for i, word in _TROUBLES}
        intervals |= {name: interval(x, 0, 1) for name, x in troubles.items()}
        columns |= troubles
    for name, x in columns.items():
        ci = intervals[name]
        finite = x[np.isfinite(x)]
        row: dict[str, Any] = {"generation": generation.number, "metric": name}
        row |= {"chains": int(ci.chains), "of": len(x), "mean": float(ci.mean)}
        row |= {"low": float(ci.low), "high": float(ci.high), "sd": float(deviation(x))}
        moments = (np.nan, np.nan)
        if len(finite) > 2 and np.ptp(finite) > 1e-12 * np.abs(finite).max():
            moments = (stats.skew(finite), stats.kurtosis(finite))
        row |= dict(zip(("skewness", "kurtosis"), map(float, moments), strict=True))
        for q in QUANTILES:
            row[f"q{q:.0%}"[:-1]] = float(np.quantile(finite, q)) if len(finite) else np.nan
        rows.append(row)
    return pa.Table.from_pylist(rows)


def deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation over the finite chains (first axis), NaN below two of them.

    >>> float(deviation(np.array([1.0, 3.0, np.nan])).round(4))
    1.4142
    """
    finite = np.isfinite(values)
    count = finite.sum(0)
    filled = np.where(finite, values, 0.0)
    with np.errstate(all="ignore"):
        squares = np.where(finite, (values - filled.sum(0) / count) ** 2, 0.0).sum(0)
        return np.sqrt(squares / np.where(count > 1, count - 1, np.nan))


@dataclass(frozen=True)
class Trajectories:
    """A table of metrics as arrays over generations ``[T]``, ascending.

    chains: R. values: ``{metric: [R, T]}``, NaN where the table has no value; empty where
    only summaries were kept. intervals: ``{metric: interval over chains [T]}``. sds:
    ``{metric: [T]}``, standard deviations over chains. troubles: how many chains were not
    ok, ``{word: [T]}`` (see :func:`nc_testbed.core.status.status`, which is no metric of
    a fit's quality and so is not among the others); empty for tables that do not tell.
    """

    generations: NDArray[np.int64]
    chains: int
    values: dict[str, NDArray[np.float64]]
    intervals: dict[str, Interval]
    sds: dict[str, NDArray[np.float64]]
    troubles: dict[str, NDArray[np.int64]]

    @staticmethod
    def of(table: pa.Table, statistics: ChainStatistics = UNDECLARED_COLUMNS) -> Trajectories:
        """Read a table of :func:`chain_rows` or :func:`summary_rows`; the intervals of the
        second are its own.

        Raises ValueError if a chain has two rows for one generation.
        """
        if "metric" in table.column_names:
            return _summaries(table)
        return _chains(table, statistics)


def pivot_chains(
    table: pa.Table,
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """Generations ``[T]`` and chains ``[R]`` of a table of :func:`chain_rows`, both
    ascending, and its other columns ``{name: [R, T]}``, NaN where the table has no value.

    Raises ValueError if a chain has two rows for one generation.
    """
    generations, t = np.unique(_column(table, "generation"), return_inverse=True)
    chains, r = np.unique(_column(table, "chain"), return_inverse=True)
    if len(np.unique(r * len(generations) + t)) < table.num_rows:
        raise ValueError("a chain has two rows for one generation")
    _check_filled(len(chains) * len(generations), table)
    values = {}
    for name in table.column_names:
        if name not in ("generation", "chain"):
            values[name] = np.full((len(chains), len(generations)), np.nan)
            values[name][r, t] = _column(table, name)
    return generations.astype(int), chains.astype(int), values


def _chains(table: pa.Table, statistics: ChainStatistics) -> Trajectories:
    generations, chains, values = pivot_chains(table)
    status = values.pop("status", None)
    troubles = {} if status is None else {word: (status == i).sum(0) for i, word in _TROUBLES}
    intervals = statistics.intervals(values)
    sds = {name: deviation(column) for name, column in values.items()}
    return Trajectories(generations, len(chains), values, intervals, sds, troubles)


def pivot_summaries(
    table: pa.Table,
) -> tuple[NDArray[np.int64], list[str], dict[str, NDArray[np.float64]]]:
    """Generations ``[T]``, ascending, and names of the statistics ``[S]`` of a table of
    :func:`summary_rows`, and its metrics ``{name: [S, T]}``, NaN where the table has no
    value."""
    generations, t = np.unique(_column(table, "generation"), return_inverse=True)
    statistics = [name for name in table.column_names if name not in ("generation", "metric")]
    names = table["metric"].to_pylist()
    row = {name: i for i, name in enumerate(dict.fromkeys(names))}
    _check_filled(len(row) * len(generations), table)
    values = np.full((len(row), len(statistics), len(generations)), np.nan)
    for s, name in enumerate(statistics):
        values[[row[metric] for metric in names], s, t] = _column(table, name)
    return generations.astype(int), statistics, dict(zip(row, values, strict=True))


def _summaries(table: pa.Table) -> Trajectories:
    generations, t = np.unique(_column(table, "generation"), return_inverse=True)
    metrics = np.array(table["metric"].to_pylist())
    intervals = {}
    sds = {}
    for name in dict.fromkeys(metrics.tolist()):
        of_metric = metrics == name
        columns = {}
        for column in ("mean", "low", "high", "chains", "sd"):
            columns[column] = np.full(len(generations), np.nan)
            columns[column][t[of_metric]] = _column(table, column)[of_metric]
        sds[name] = columns.pop("sd")
        columns["chains"] = np.nan_to_num(columns["chains"]).astype(int)
        intervals[name] = Interval(**columns)
    R = int(_column(table, "of").max())
    names = {word: f"status_{word}" for _, word in _TROUBLES if f"status_{word}" in intervals}
    shares = {word: intervals.pop(name).mean for word, name in names.items()}
    sds = {name: sds[name] for name in intervals}
    troubles = {k: np.rint(np.nan_to_num(x) * R).astype(int) for k, x in shares.items()}
    return Trajectories(generations.astype(int), R, {}, intervals, sds, troubles)


def _check_filled(cells: int, table: pa.Table) -> None:
    """Raise ValueError for a table that is all gaps: arrays without them would fill the
    memory."""
    if cells > 16 * table.num_rows:
        raise ValueError(f"{table.num_rows} rows stand for {cells}")


def _column(table: pa.Table, name: str) -> NDArray[np.float64]:
    return table[name].to_numpy().astype(np.float64)
