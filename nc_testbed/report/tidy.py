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
from nc_testbed.record.tables import pivot_chains, pivot_summaries
from nc_testbed.report.find_runs import find_runs
from nc_testbed.report.read_run import (
    CONFIG,
    SUMMARY,
    TABLE,
    read_config,
    read_metrics,
    read_summary,
    refuse_damage,
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

    folders: the runs. names: what each is called in it. values: the columns that are a
    run's settings. unfinished: number of runs beside them that are not finished and are
    left out.
    """

    schema: pa.Schema
    folders: tuple[Path, ...]
    names: tuple[str, ...]
    values: tuple[Mapping[str, Any], ...]
    unfinished: int

    def tables(self) -> Iterator[pa.Table]:
        """The rows, some runs at a time. Raises BadInput (``runs``) for a damaged one."""
        waiting: list[pa.Table] = []
        for folder, name, values in zip(self.folders, self.names, self.values, strict=True):
            for columns in _measured_columns(folder):
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
        """A table of columns, and of values that are the same in every row."""
        count = len(columns["value"])
        arrays = [
            columns[field.name]
            if field.name in columns
            else pa.repeat(pa.scalar(same.get(field.name), field.type), count)
            for field in self.schema
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema)


def sheet(paths: Sequence[Path]) -> Sheet:
    """The tidy table of all finished runs at or below the paths (:mod:`find_runs`).

    Columns: ``run`` (its directory), ``policy``, ``data``, ``model``, ``seed``, every
    other setting that differs between the runs as its dotted key (``policy.k``; null
    where a run has none), ``generation``, ``chain``, ``metric``, ``statistic``, ``value``
    and ``law``, the exact law of the metric's mean over chains, null where none is known.
    ``statistic`` is ``value`` where a row is one chain's; a run that kept summaries alone
    (``record.chains=summary``) has no chain, and a row for the mean and every other
    statistic that it kept over its chains.

    Raises BadInput (``runs``) where there is no run, or a run's settings are damaged.
    """
    runs = find_runs(paths)
    configs = [_flat_settings(folder) for folder in runs.finished]
    types = _column_types(configs)
    values = tuple(
        {key: _as_type(types[key], config.get(key)) for key in types} for config in configs
    )
    schema = pa.schema([("run", pa.string()), *types.items(), *MEASURED])
    names = _run_names(runs.finished, paths)
    return Sheet(schema, runs.finished, names, values, len(runs.unfinished))


def _flat_settings(folder: Path) -> dict[str, Any]:
    """A run's settings by their dotted keys."""
    config = read_config(folder)
    with refuse_damage(folder / CONFIG, "a run's settings"):
        return dict(settings(config))


def _run_names(folders: Sequence[Path], paths: Sequence[Path]) -> tuple[str, ...]:
    """Every run's directory, from where the paths part; what is no text is escaped."""
    common = os.path.commonpath([Path(os.path.abspath(path)).parent for path in paths])
    names = (os.path.relpath(folder, common) for folder in folders)
    return tuple(name.encode(errors="backslashreplace").decode() for name in names)


def _column_types(configs: Sequence[Mapping[str, Any]]) -> dict[str, pa.DataType]:
    """The settings that are columns, and the type that holds every run's value.

    >>> runs = [{"policy": "a", "n": 5, "x": 1}, {"n": 9, "x": 1}]
    >>> {key: str(kind) for key, kind in _column_types(runs).items()}
    {'policy': 'string', 'n': 'int64'}
    """
    keys = dict.fromkeys([*ALWAYS, *(key for config in configs for key in config)])
    types = {}
    for key in keys:
        values = [config.get(key) for config in configs]
        not_null = [value for value in values if value is not None]
        differ = any(value != values[0] for value in values)
        if not_null and (key in ALWAYS or differ):
            types[key] = _type_of(not_null)
    return types


def _type_of(values: Sequence[Any]) -> pa.DataType:
    """The narrowest type that holds all values; text where nothing else does."""
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int} and all(abs(value) < 2**63 for value in values):
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else pa.string()


def _as_type(kind: pa.DataType, value: Any) -> Any:
    """A setting as a value of its column."""
    if value is None or kind == pa.bool_() or kind == pa.int64():
        return value
    if kind == pa.float64():
        return float(value) if abs(value) < 2**1023 else np.inf
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _measured_columns(folder: Path) -> Iterator[dict[str, pa.Array]]:
    """The columns that are not settings, at most about ``ROWS`` rows at once."""
    table = read_metrics(folder)
    laws = read_summary(folder)["laws"]
    is_summary = "metric" in table.column_names
    with refuse_damage(folder / TABLE, "a run's table of metrics"):
        generations, outer, values = (
            pivot_summaries(table) if is_summary else pivot_chains(table)
        )
    names = list(values)
    require(bool(names), "runs", folder / TABLE, "holds no metric: leave this run out")
    at_once = max(1, ROWS // (len(outer) * len(generations)))
    for i in range(0, len(names), at_once):
        group = names[i : i + at_once]
        with refuse_damage(folder / SUMMARY, "a run's summary"):
            curves = np.stack([_law_values(laws.get(name), generations) for name in group])
        yield _long_columns({name: values[name] for name in group}, outer, generations, curves)


def _long_columns(
    values: Mapping[str, NDArray[np.float64]],
    outer: Sequence[Any] | NDArray[np.int64],
    generations: NDArray[np.int64],
    laws: NDArray[np.float64],
) -> dict[str, pa.Array]:
    """Metrics ``{name: [O, T]}`` and laws ``[names, T]`` as columns of the long table.

    outer: chains ``[O]``, or the names of statistics over them.
    """
    shape = (len(values), len(outer), len(generations))
    law = np.broadcast_to(laws[:, None], shape)
    is_summary = not isinstance(outer, np.ndarray)
    if is_summary:  # a law is that of the mean
        law = np.where(np.array([name == "mean" for name in outer])[:, None], law, np.nan)
    metric, row, generation = np.indices(shape).reshape(3, -1)
    outer_column = pa.array(outer).take(pa.array(row))
    return {
        "generation": pa.array(generations[generation]),
        "chain": pa.nulls(len(row), pa.int64()) if is_summary else outer_column,
        "metric": pa.array(list(values)).take(pa.array(metric)),
        "statistic": outer_column if is_summary else pa.repeat("value", len(row)),
        "value": pa.array(np.stack(list(values.values())).ravel()),
        "law": pa.array(law.ravel(), from_pandas=True),  # NaN: no law is known
    }


def _law_values(
    law: Mapping[str, Any] | None, generations: NDArray[np.int64]
) -> NDArray[np.float64]:
    """A law's values over generations ``[T]``, NaN where it has none."""
    value_at = {} if law is None else dict(zip(law["generations"], law["values"], strict=True))
    return np.array([value_at.get(g) for g in generations.tolist()], dtype=np.float64)
