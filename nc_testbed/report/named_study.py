"""A study's own figure, drawn from the runs that it made."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nc_testbed.config.build import convert, nearest
from nc_testbed.core.errors import require
from nc_testbed.report import studies
from nc_testbed.report.arm import read_arms

FOLDER = Path(studies.__file__).parent


def draw_study(figure: Mapping[str, Any], runs: Sequence[Path], path: Path) -> Path:
    """Draw the figure of finished runs and return its path.

    figure: ``study``, a file of :mod:`nc_testbed.report.studies`, and what its ``figure``
    takes beside the runs. Raises BadInput where there is no run.
    """
    settings = {key: value for key, value in figure.items() if key != "study"}
    module = importlib.import_module(f"{studies.__name__}.{figure['study']}")
    module.figure(read_arms(runs), **settings).savefig(path, dpi=150)
    return path


def check_study(figure: Mapping[str, Any]) -> None:
    """Raise BadInput for an unknown study, or a setting its figure does not take."""
    require(
        isinstance(figure, Mapping),
        "figure",
        figure,
        "give {study: name, ...}, or null",
    )
    study = figure.get("study")
    names = [file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__"]
    require(study in names, "figure.study", study, nearest(str(study), names))
    function = importlib.import_module(f"{studies.__name__}.{study}").figure
    hints = typing.get_type_hints(function)
    takes = ["study", *list(inspect.signature(function).parameters)[1:]]
    for key, value in figure.items():
        require(key in takes, f"figure.{key}", value, nearest(key, takes))
        if key != "study":
            convert(hints[key], value, f"figure.{key}")
