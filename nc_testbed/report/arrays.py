"""Finished runs for notebooks: arrays with named axes, and a sweep as a data frame."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.status import WORDS
from nc_testbed.metrics.column import Column, Columns
from nc_testbed.record.tables import pivoted, summarised
from nc_testbed.report.finished import (
    SUMMARY,
    TABLE,
    read_config,
    read_summary,
    read_table,
    reading,
    regular,
)
from nc_testbed.report.tidy import sheet

if TYPE_CHECKING:
    import pandas
    import xarray

RANK = re.compile(r"(\w+_rank)_(\d+)")
"""A metric of one class: its name, and the class's rarity rank, 0 the commonest."""
LARGEST = 2**40
"""Bytes of a file of tensors that is opened at most; only what is asked for is read."""


def load_run(path: str | Path) -> xarray.Dataset:
    """The metrics of a finished run, ``(chain, generation)`` each.

    Columns of single classes are one variable, ``recall_rank`` ``(chain, generation, rank)``, rank
    0 the commonest class, with the coordinate ``label`` ``(chain, rank)``, the class that has this
    rank in this chain. ``variance_law`` ``(generation)`` is the exact law of the mean of
    ``variance`` over chains, where there is one. ``status`` is 0 ok, 1 floored, 2 extinct or
    3 diverged. A run that kept summaries alone (``record.chains=summary``) has ``(statistic,
    generation)`` instead: mean, its 95% interval low to high, sd, quantiles. ``policy``, ``data``,
    ``model`` and ``seed`` are coordinates without an axis; ``attrs`` holds ``settings``, ``facts``
    and ``summary``, what config.yaml and summary.json hold.

    Raises BadInput where there is no finished run, a file is not what a run writes, or xarray is
    not installed.
    """
    xr, folder = _library("xarray"), _run(path)
    config, summary, table = read_config(folder), read_summary(folder), read_table(folder)
    columns = Columns.from_records(config)
    facts = config.pop("facts")
    with reading(folder / TABLE, "a run's table of metrics"):
        if "metric" in table.column_names:
            made = _summaries(table, columns)
        else:
            made = _chains(table, facts, columns)
    variables, coordinates = made
    with reading(folder / SUMMARY, "a run's summary"):
        laws = _laws(summary["laws"], coordinates["generation"])
    coordinates |= {key: config["name"][key] for key in ("policy", "data", "model")}
    attrs = {"path": str(path), "settings": config, "facts": facts, "summary": summary}
    return xr.Dataset(variables | laws, coordinates | {"seed": config.get("seed")}, attrs)


def load_samples(
    path: str | Path, generation: int = -1, rows: int | None = None
) -> xarray.DataArray:
    """The synthetic rows drawn from one generation's fit, ``(chain, row, *event)``.

    generation: its number; -1 is the last. rows: at most so many of every chain, None = all; they
    are in no order, so the first of them are a sample too, and only they are read. The axes of an
    event are ``y`` and ``x`` of a picture (pixels 0 to 255), ``channel`` before them if it has
    colours, and ``coordinate`` of a vector.

    Raises BadInput where the run kept no such rows.
    """
    xr, folder = _library("xarray"), _run(path)
    require(rows is None or rows >= 1, "rows", rows, "give at least 1, or None for all")
    config = read_config(folder)
    file, number = _file(folder, generation, "synthetic")
    with reading(file, "a synthetic set"), safe_open(file, framework="numpy") as tensors:
        kept = tensors.get_slice("rows")
        found = kept[:, : min(rows or kept.get_shape()[1], kept.get_shape()[1])]
        event = tuple(config["facts"]["event"])
        values = found.reshape(*found.shape[:2], *event)
        inner = ("channel", "y", "x")[-len(event) :] if len(event) > 1 else ("coordinate",)
        coordinates = {"chain": np.arange(len(values)), "generation": number}
        return xr.DataArray(values, coordinates, ("chain", "row", *inner), name="synthetic")


def load_weights(path: str | Path, generation: int = -1) -> dict[str, NDArray[Any]]:
    """The tensors of one generation's fit, ``{name: [R, ...]}``, chains first; -1 is the last."""
    file, _ = _file(_run(path), generation, "weights")
    with reading(file, "a fit"), safe_open(file, framework="numpy") as tensors:
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118


def load_sweep(paths: str | Path | Iterable[str | Path]) -> pandas.DataFrame:
    """All finished runs at or below the paths as one tidy table, a row per run, generation, chain
    and metric; its columns are those of :func:`nc_testbed.report.tidy.sheet`.

    It is held in memory as a whole: ``scripts/export.py`` writes a larger one to a file.
    Raises BadInput where there is no finished run, or one is damaged, or pandas is not installed.
    """
    _library("pandas")
    given = [paths] if isinstance(paths, str | os.PathLike) else paths
    return sheet([Path(path) for path in given]).read().to_pandas()


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise BadInput("library", name, f"is not installed: pip install {name}") from None


def _run(path: str | Path) -> Path:
    """The directory of a finished run."""
    folder = Path(path)
    done = os.path.isfile(folder / SUMMARY)
    there = os.path.isdir(folder)
    remedy = "is no finished run; load_sweep reads all runs below" if there else "is not there"
    require(done, "run", path, remedy)
    return folder


def _file(folder: Path, generation: int, kind: str) -> tuple[Path, int]:
    """The file of tensors of a generation, and the generation's number."""
    kept = (path for path in (folder / "generations").glob("[0-9]*") if path.name.isdecimal())
    numbers = {int(path.name): path for path in sorted(kept, key=lambda path: int(path.name))}
    number = max(numbers, default=0) if generation == -1 else generation
    shown = ", ".join(map(str, list(numbers)[:20])) + (" .." if len(numbers) > 20 else "")
    require(number in numbers, "generation", generation, f"recorded were {shown or 'none'}")
    file = numbers[number] / f"{kind}.safetensors"
    remedy = f"{folder} kept no {kind} rows of it: store, or statistics drawn in their place"
    require(file.is_file(), "generation", number, remedy)
    regular(file, LARGEST)
    return file, number


def _chains(
    table: Any, facts: Mapping[str, Any], columns: Columns
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables and coordinates of a table with a row per chain."""
    generations, chains, values = pivoted(table)
    status = values.pop("status", None)
    variables: dict[str, Any] = {}
    ranked: dict[str, dict[int, NDArray[np.float64]]] = {}
    for name in columns.in_reading_order(values):
        of_rank = RANK.fullmatch(name)
        if of_rank is None:
            variables[name] = (("chain", "generation"), values[name], _says(columns[name]))
        else:
            ranked.setdefault(of_rank[1], {})[int(of_rank[2])] = values[name]
    ranks = sorted({rank for by_rank in ranked.values() for rank in by_rank})
    missing = np.full((len(chains), len(generations)), np.nan)
    for name, by_rank in ranked.items():
        stacked = np.stack([by_rank.get(rank, missing) for rank in ranks], axis=-1)
        said = _says(columns[f"{name}_0"])
        variables[name] = (("chain", "generation", "rank"), stacked, said)
    if status is not None:
        meaning = {"flag_values": list(range(len(WORDS))), "flag_meanings": " ".join(WORDS)}
        variables["status"] = (("chain", "generation"), status, meaning)
    coordinates: dict[str, Any] = {"chain": chains, "generation": generations}
    if ranks:
        coordinates |= {"rank": ranks} | _labels(facts, chains, ranks)
    return variables, coordinates


def _labels(
    facts: Mapping[str, Any], chains: NDArray[np.int64], ranks: list[int]
) -> dict[str, Any]:
    """Which class has each rank in each chain, where the run says so."""
    order, names = facts.get("rank_to_class"), facts.get("classes")
    if not order or not names:
        return {}
    labels = np.array(names)[np.array(order)[chains][:, ranks]]
    return {"label": (("chain", "rank"), labels)}


def _says(column: Column) -> dict[str, str]:
    """A variable's attributes: what the column means, and which way it gets worse."""
    return {"long_name": column.says, "units": column.unit, "worse": column.worse}


def _summaries(table: Any, columns: Columns) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables and coordinates of a table of moments and quantiles over chains."""
    generations, statistics, values = summarised(table)
    axes = ("statistic", "generation")
    variables = {
        name: (axes, values[name], _says(columns[name]))
        for name in columns.in_reading_order(values)
    }
    return variables, {"statistic": statistics, "generation": generations}


def _laws(laws: Mapping[str, Any], generations: NDArray[np.int64]) -> dict[str, Any]:
    """Exact laws of means over chains, NaN where none is known."""
    made = {}
    for name, law in laws.items():
        known = dict(zip(law["generations"], law["values"], strict=True))
        values = np.array([known.get(g) for g in generations.tolist()], dtype=np.float64)
        said = {"law": law["law"], "source": law["source"]}
        made[f"{name}_law"] = (("generation",), values, said)
    return made
