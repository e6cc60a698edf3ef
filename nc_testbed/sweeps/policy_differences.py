"""Policies of a sweep against each other, in the lines that end it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nc_testbed.config.config_file import load_config
from nc_testbed.core.intervals import Interval
from nc_testbed.core.paired import paired_interval
from nc_testbed.record.arm_labels import labels
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.record.summary import settings

SHOWN = 12
"""Most differences that have a line."""

ChainValues = dict[tuple[int, int], float]
"""A value by seed and number of its chain: chains of equal ones share their streams."""


@dataclass(frozen=True)
class MadeRun:
    """A finished run of a sweep: its directory, and its settings."""

    path: Path
    config: dict[str, Any]


def difference_lines(runs: Sequence[MadeRun]) -> list[str]:
    """The headline of every policy less that of the first, within chains, a line each.

    Compared are runs that differ in their policy alone, so that chains of the same seed
    and number share data and streams; several seeds count together. None where there is
    one policy, where runs kept summaries alone, or measured no metric that they are
    judged by.
    """
    lines: list[str] = []
    for group in _groups(runs):
        arms = _arms(group)
        if len(arms) > 1:
            lines += _lines(arms, group[0])
    more = len(lines) - SHOWN
    return lines if more <= 0 else [*lines[:SHOWN], f"{more} more differences: make a report"]


def _groups(runs: Sequence[MadeRun]) -> list[list[MadeRun]]:
    """Runs by all of their settings but policy and seed, in their order."""
    groups: dict[str, list[MadeRun]] = {}
    for run in runs:
        shared = [
            (key, value)
            for key, value in settings(run.config)
            if key.partition(".")[0] not in ("policy", "seed")
        ]
        groups.setdefault(json.dumps(shared, default=str), []).append(run)
    return list(groups.values())


def _arms(group: Sequence[MadeRun]) -> dict[str, list[MadeRun]]:
    """Runs by their policy and its settings."""
    arms: dict[str, list[MadeRun]] = {}
    for label, run in zip(labels([run.config for run in group]), group, strict=True):
        arms.setdefault(label, []).append(run)
    return arms


def _lines(arms: Mapping[str, Sequence[MadeRun]], first: MadeRun) -> list[str]:
    """Every arm less the first, as far as tables can be read."""
    try:
        statistics = ChainStatistics.from_records(load_config(first.path) or {})
        names = pq.read_schema(first.path / "metrics.parquet").names
    except (OSError, ValueError, pa.ArrowException):
        return []
    judged_by = next(iter(statistics.columns.beside(names)), None)
    if judged_by is None:
        return []
    generation = int(first.config["generations"]) - 1
    values = {label: _read_chains(runs, judged_by, generation) for label, runs in arms.items()}
    base, *others = values
    bounds = statistics.bounds(judged_by)
    return [
        f"{judged_by} at generation {generation}: {other} less {base} {_text(ci)}"
        for other in others
        if (ci := _difference(values[other], values[base], bounds)).chains > 0
    ]


def _text(ci: Interval) -> str:
    """A difference with its interval, and how many pairs of chains it rests on."""
    pairs = int(ci.chains)
    return f"{ci.text()}, {pairs} paired chain{'s' * (pairs != 1)}"


def _difference(x: ChainValues, y: ChainValues, bounds: tuple[float, float]) -> Interval:
    """x less y over the chains that both have."""
    pairs = [(value, y[key]) for key, value in x.items() if key in y]
    more, less = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return paired_interval(more, less, *bounds)


def _read_chains(runs: Sequence[MadeRun], column: str, generation: int) -> ChainValues:
    """A column of all chains at a generation; of a run without it none."""
    values: ChainValues = {}
    for run in runs:
        try:
            table = pq.read_table(
                run.path / "metrics.parquet",
                columns=["chain", column],
                filters=[("generation", "=", generation)],
            )
        except (OSError, pa.ArrowException):
            continue
        seed = run.config["seed"]
        for chain, value in zip(
            *(table[name].to_pylist() for name in table.column_names), strict=True
        ):
            values[seed, chain] = np.nan if value is None else value
    return values
