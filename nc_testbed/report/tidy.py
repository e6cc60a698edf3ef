"""Finished runs as one tidy (long) table: a row per run, generation, chain and metric."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nc_testbed.core.errors import require
from nc_testbed.record.summary import settings
from nc_testbed.record.tables import pivoted, summarised
from nc_testbed.report.finished import (
    CONFIG,
    SUMMARY,
    TABLE,
    below,
    read_config,
    read_summary,
    read_table,
    reading,
)

ALWAYS = ("policy", "data", "model", "seed")
"""Settings that are a column whether they differ or not."""
MEASURED = (
    ("generation", pa.int64()),
    ("chain", pa.int64()),
    ("metric", pa.string()),
    ("statistic", pa.string()),
    ("value", pa.float64()),
    ("law", pa.float64()),
)
ROWS = 2**18
"""Rows of a table that are made at once, about."""


@dataclass(frozen=True)
class Sheet:
    """A tidy table that is made run by run. schema: its columns; see :func:`sheet`.

    folders: the runs. names: what each is called in it. values: the columns that are a run's
    settings. unfinished: runs that were found beside them and left out.
    """

    schema: pa.Schema
    folders: tuple[Path, ...]
    names: tuple[str, ...]
    values: tuple[Mapping[str, Any], ...]
    unfinished: int

    def tables(self) -> Iterator[pa.Table]:
        """The rows, some runs at a time. Raises BadInput (``runs``) for one that is damaged."""
        waiting: list[pa.Table] = []
        for folder, name, values in zip(self.folders, self.names, self.values, strict=True):
            for columns in _measured(folder):
                waiting.append(self._table(columns, {"run": name, **values}))
                if sum(table.num_rows for table in waiting) >= ROWS:
                    yield pa.concat_tables(waiting)
                    waiting = []
        if waiting:
            yield pa.concat_tables(waiting)

    def read(self) -> pa.Table:
        """All rows at once."""
        return pa.concat_tables(self.tables())

    def _table(self, columns: Mapping[str, pa.Array], same: Mapping[str, Any]) -> pa.Table:
        rows = len(columns["value"])
        arrays = [
            columns[field.name]
            if field.name in columns
            else pa.repeat(pa.scalar(same.get(field.name), field.type), rows)
            for field in self.schema
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema)


def sheet(paths: Sequence[Path]) -> Sheet:
    """The tidy table of all finished runs at or below the paths.

    Columns: ``run`` (its directory), ``policy``, ``data``, ``model``, ``seed``, every other setting
    that differs between the runs as its dotted key (``policy.k``; null where a run has none),
    ``generation``, ``chain``, ``metric``, ``statistic``, ``value`` and ``law``, the exact law of
    the metric's mean over chains, null where none is known. ``statistic`` is ``value`` where a row
    is one chain's; a run that kept summaries alone (``record.chains=summary``) has no chain, and a
    row for the mean and every other statistic that it kept over its chains.

    Raises BadInput (``runs``) where there is no run, or a run's settings are damaged.
    """
    folders, unfinished = below(paths)
    kept = [_settings(folder) for folder in folders]
    types = _types(kept)
    values = [{key: _as(types[key], run.get(key)) for key in types} for run in kept]
    fields = [("run", pa.string()), *types.items(), *MEASURED]
    return Sheet(
        pa.schema(fields), tuple(folders), _names(folders, paths), tuple(values), unfinished
    )


def _settings(folder: Path) -> dict[str, Any]:
    config = read_config(folder)
    with reading(folder / CONFIG, "a run's settings"):
        return dict(settings(config))


def _names(folders: Sequence[Path], paths: Sequence[Path]) -> tuple[str, ...]:
    """Every run's directory, from where the given ones part."""
    common = os.path.commonpath([Path(os.path.abspath(path)).parent for path in paths])
    names = (os.path.relpath(folder, common) for folder in folders)
    return tuple(name.encode(errors="backslashreplace").decode() for name in names)  # any bytes


def _types(kept: Sequence[Mapping[str, Any]]) -> dict[str, pa.DataType]:
    """The settings that are columns, and the type that holds every run's value.

    >>> {k: str(v) for k, v in _types([{"policy": "a", "n": 5, "x": 1}, {"n": 9, "x": 1}]).items()}
    {'policy': 'string', 'n': 'int64'}
    """
    keys = dict.fromkeys([*ALWAYS, *(key for run in kept for key in run)])
    found = {}
    for key in keys:
        values = [run.get(key) for run in kept]
        some = [value for value in values if value is not None]
        if some and (key in ALWAYS or any(value != values[0] for value in values)):
            found[key] = _type(some)
    return found


def _type(values: Sequence[Any]) -> pa.DataType:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return pa.bool_()
    whole = kinds == {int} and all(abs(value) < 2**63 for value in values)
    if whole or kinds <= {int, float}:
        return pa.int64() if whole else pa.float64()
    return pa.string()


def _as(kind: pa.DataType, value: Any) -> Any:
    if value is None or kind == pa.bool_() or kind == pa.int64():
        return value
    if kind == pa.float64():
        return float(value) if abs(value) < 2**1023 else np.inf
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _measured(folder: Path) -> Iterator[dict[str, pa.Array]]:
    """The columns that are not settings, at most about ``ROWS`` rows at once."""
    table, laws = read_table(folder), read_summary(folder)["laws"]
    summaries = "metric" in table.column_names
    with reading(folder / TABLE, "a run's table of metrics"):
        outer: Sequence[Any]
        if summaries:
            generations, outer, values = summarised(table)
        else:
            generations, chains, values = pivoted(table)
            outer = chains.tolist()
    names = list(values)
    require(bool(names), "runs", folder / TABLE, "holds no metric: leave this run out")
    several = max(1, ROWS // (len(outer) * len(generations)))
    for i in range(0, len(names), several):
        some = names[i : i + several]
        with reading(folder / SUMMARY, "a run's summary"):
            known = np.stack([_law(laws.get(name), generations) for name in some])
        shape = (len(some), len(outer), len(generations))
        law = np.broadcast_to(known[:, None], shape)
        if summaries:  # a law is that of the mean
            law = np.where(np.array([name == "mean" for name in outer])[:, None], law, np.nan)
        axes = np.indices(shape).reshape(3, -1)
        inner = pa.array(outer).take(pa.array(axes[1]))
        yield {
            "generation": pa.array(generations[axes[2]]),
            "chain": pa.nulls(axes.shape[1], pa.int64()) if summaries else inner,
            "metric": pa.array(some).take(pa.array(axes[0])),
            "statistic": inner if summaries else pa.repeat("value", axes.shape[1]),
            "value": pa.array(np.stack([values[name] for name in some]).ravel()),
            "law": pa.array(law.ravel(), from_pandas=True),  # NaN: not known
        }


def _law(law: Mapping[str, Any] | None, generations: NDArray[np.int64]) -> NDArray[np.float64]:
    """A law's values over generations ``[T]``, NaN where it has none."""
    known = {} if law is None else dict(zip(law["generations"], law["values"], strict=True))
    return np.array([known.get(g) for g in generations.tolist()], dtype=np.float64)
