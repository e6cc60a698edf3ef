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
from nc_testbed.data.representation import in_units_of_source
from nc_testbed.metrics.column import Column, Columns
from nc_testbed.record.controls import Controls
from nc_testbed.record.tables import pivot_chains, pivot_summaries
from nc_testbed.report.find_runs import is_finished
from nc_testbed.report.read_run import (
    SUMMARY,
    TABLE,
    check_file,
    read_config,
    read_metrics,
    read_summary,
    refuse_damage,
)
from nc_testbed.report.tidy import sheet

if TYPE_CHECKING:
    import pandas
    import xarray

RANK = re.compile(r"(\w+_rank)_(\d+)")
"""A metric of one class: its name, and the class's rarity rank, 0 the commonest."""
LARGEST = 2**40
"""Bytes of a file of tensors that is opened at most; only what is asked for is read."""
NAMED = 20
"""Most recorded generations that a refusal names."""


def load_run(path: str | Path) -> xarray.Dataset:
    """The metrics of a finished run, ``(chain, generation)`` each.

    Columns of single classes are one variable, ``recall_rank``
    ``(chain, generation, rank)``, rank 0 the commonest class, with the coordinate
    ``label`` ``(chain, rank)``, the class that has this rank in this chain.
    ``recall_control`` ``(control, bound)`` is what a column reads on the run's controls
    (real, tail_absent, independent, noise), its bounds low, mean and high.
    ``variance_law`` ``(generation)`` is the exact law of the mean of ``variance`` over
    chains, where there is one. ``status`` is 0 ok, 1 floored, 2 extinct or 3 diverged. A
    run that kept summaries alone (``record.chains=summary``) has
    ``(statistic, generation)`` instead: mean, its 95% interval low to high, sd,
    quantiles. ``policy``, ``data``, ``model`` and ``seed`` are coordinates without an
    axis; ``attrs`` holds ``settings``, ``facts`` and ``summary``, what config.yaml and
    summary.json hold.

    Raises BadInput where there is no finished run, a file is not what a run writes, or
    xarray is not installed.
    """
    xr = _import_library("xarray")
    folder = _run_folder(path)
    config = read_config(folder)
    summary = read_summary(folder)
    table = read_metrics(folder)
    columns = Columns.from_records(config)
    facts = config.pop("facts")
    with refuse_damage(folder / TABLE, "a run's table of metrics"):
        if "metric" in table.column_names:
            variables, coordinates = _summaries(table, columns)
        else:
            variables, coordinates = _chains(table, facts, columns)
    with refuse_damage(folder / SUMMARY, "a run's summary"):
        laws = _law_variables(summary["laws"], coordinates["generation"])
    controls = _control_variables(summary["controls"])
    if controls:
        coordinates |= {"control": list(summary["controls"]), "bound": ["low", "mean", "high"]}
    coordinates |= {key: config["name"][key] for key in ("policy", "data", "model")}
    attrs = {"path": str(path), "settings": config, "facts": facts, "summary": summary}
    return xr.Dataset(
        variables | laws | controls, coordinates | {"seed": config.get("seed")}, attrs
    )


def load_samples(
    path: str | Path, generation: int = -1, rows: int | None = None
) -> xarray.DataArray:
    """The synthetic rows drawn from one generation's fit, ``(chain, row, *event)``.

    generation: its number; -1 is the last. rows: at most so many of every chain, None =
    all; they are in no order, so the first of them are a sample too, and only they are
    read. The axes of an event are ``y`` and ``x`` of a picture (pixels 0 to 255),
    ``channel`` before them if it has colours, and ``coordinate`` of a vector. Columns
    that the run standardised are back in the units of the data.

    Raises BadInput where the run kept no such rows.
    """
    xr = _import_library("xarray")
    folder = _run_folder(path)
    require(rows is None or rows >= 1, "rows", rows, "give at least 1, or None for all")
    facts = read_config(folder)["facts"]
    event = tuple(facts["event"])
    file, number = _tensor_file(folder, generation, "synthetic")
    with (
        refuse_damage(file, "a synthetic set"),
        safe_open(file, framework="numpy") as tensors,
    ):
        stored = tensors.get_slice("rows")
        count = stored.get_shape()[1]
        values = in_units_of_source(
            stored[:, : min(rows or count, count)], facts.get("data", {})
        )
        values = values.reshape(*values.shape[:2], *event)
        inner = ("channel", "y", "x")[-len(event) :] if len(event) > 1 else ("coordinate",)
        coordinates = {"chain": np.arange(len(values)), "generation": number}
        return xr.DataArray(values, coordinates, ("chain", "row", *inner), name="synthetic")


def load_weights(path: str | Path, generation: int = -1) -> dict[str, NDArray[Any]]:
    """The tensors of one generation's fit, ``{name: [R, ...]}``; -1 is the last."""
    file, _ = _tensor_file(_run_folder(path), generation, "weights")
    with refuse_damage(file, "a fit"), safe_open(file, framework="numpy") as tensors:
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118


def load_sweep(paths: str | Path | Iterable[str | Path]) -> pandas.DataFrame:
    """All finished runs at or below the paths as one tidy table, a row per run,
    generation, chain and metric; its columns are those of
    :func:`nc_testbed.report.tidy.sheet`.

    The table stands in memory as a whole: ``scripts/export.py`` writes a larger one to a
    file. Raises BadInput where there is no finished run, or one is damaged, or pandas is
    not installed.
    """
    _import_library("pandas")
    folders = [paths] if isinstance(paths, str | os.PathLike) else paths
    return sheet([Path(folder) for folder in folders]).read().to_pandas()


def _import_library(name: str) -> Any:
    """A library that notebooks need and runs do not."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise BadInput("library", name, f"is not installed: pip install {name}") from None


def _run_folder(path: str | Path) -> Path:
    """The directory of a finished run; raises BadInput for anything else."""
    folder = Path(path)
    remedy = "is not there"
    if os.path.isdir(folder):
        remedy = "is no finished run; load_sweep reads all runs below"
    require(is_finished(folder), "run", path, remedy)
    return folder


def _tensor_file(folder: Path, generation: int, kind: str) -> tuple[Path, int]:
    """The file of tensors of a generation, and the generation's number."""
    folders = (folder / "generations").glob("[0-9]*")
    numbers = {int(path.name): path for path in folders if path.name.isdecimal()}
    number = max(numbers, default=0) if generation == -1 else generation
    recorded = ", ".join(map(str, sorted(numbers)[:NAMED])) or "none"
    recorded += " .." if len(numbers) > NAMED else ""
    require(number in numbers, "generation", generation, f"recorded were {recorded}")
    file = numbers[number] / f"{kind}.safetensors"
    remedy = f"{folder} kept no {kind} rows of it: store, or statistics drawn in their place"
    require(file.is_file(), "generation", number, remedy)
    check_file(file, LARGEST)
    return file, number


def _chains(
    table: Any, facts: Mapping[str, Any], columns: Columns
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables and coordinates of a table with a row per chain."""
    generations, chains, values = pivot_chains(table)
    status = values.pop("status", None)
    variables: dict[str, Any] = {}
    by_rank: dict[str, dict[int, NDArray[np.float64]]] = {}
    for name in columns.in_reading_order(values):
        of_rank = RANK.fullmatch(name)
        if of_rank is None:
            attrs = _column_attrs(columns[name])
            variables[name] = (("chain", "generation"), values[name], attrs)
        else:
            by_rank.setdefault(of_rank[1], {})[int(of_rank[2])] = values[name]
    ranks = sorted({rank for group in by_rank.values() for rank in group})
    missing = np.full((len(chains), len(generations)), np.nan)
    for name, group in by_rank.items():
        stacked = np.stack([group.get(rank, missing) for rank in ranks], axis=-1)
        attrs = _column_attrs(columns[f"{name}_0"])
        variables[name] = (("chain", "generation", "rank"), stacked, attrs)
    if status is not None:
        meaning = {
            "flag_values": list(range(len(WORDS))),
            "flag_meanings": " ".join(WORDS),
        }
        variables["status"] = (("chain", "generation"), status, meaning)
    coordinates: dict[str, Any] = {"chain": chains, "generation": generations}
    if ranks:
        coordinates |= {"rank": ranks} | _class_labels(facts, chains, ranks)
    return variables, coordinates


def _class_labels(
    facts: Mapping[str, Any], chains: NDArray[np.int64], ranks: list[int]
) -> dict[str, Any]:
    """Which class has each rank in each chain, where the run says so."""
    order = facts.get("rank_to_class")
    names = facts.get("classes")
    if not order or not names:
        return {}
    labels = np.array(names)[np.array(order)[chains][:, ranks]]
    return {"label": (("chain", "rank"), labels)}


def _column_attrs(column: Column) -> dict[str, str]:
    """A variable's attributes: what the column means, and which way it gets worse."""
    return {"long_name": column.says, "units": column.unit, "worse": column.worse}


def _summaries(table: Any, columns: Columns) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables and coordinates of a table of moments and quantiles over chains."""
    generations, statistics, values = pivot_summaries(table)
    axes = ("statistic", "generation")
    variables = {
        name: (axes, values[name], _column_attrs(columns[name]))
        for name in columns.in_reading_order(values)
    }
    return variables, {"statistic": statistics, "generation": generations}


def _law_variables(laws: Mapping[str, Any], generations: NDArray[np.int64]) -> dict[str, Any]:
    """Exact laws of means over chains, NaN where none is known."""
    variables = {}
    for name, law in laws.items():
        value_at = dict(zip(law["generations"], law["values"], strict=True))
        values = [value_at.get(g) for g in generations.tolist()]
        attrs = {"law": law["law"], "source": law["source"]}
        variables[f"{name}_law"] = (
            ("generation",),
            np.array(values, dtype=np.float64),
            attrs,
        )
    return variables


def _control_variables(controls: Controls) -> dict[str, Any]:
    """What every column reads on each control, NaN where it is undefined."""
    variables = {}
    for name in dict.fromkeys(name for columns in controls.values() for name in columns):
        rows = [columns.get(name, (None,) * 3) for columns in controls.values()]
        variables[f"{name}_control"] = (("control", "bound"), np.array(rows, dtype=np.float64))
    return variables
