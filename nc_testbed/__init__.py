"""nc_testbed: the reference instrument for model collapse."""

import importlib
from typing import Any

__version__ = "0.1.0"
NOTEBOOKS = ("load_run", "load_samples", "load_sweep", "load_weights")


def __getattr__(name: str) -> Any:
    """What notebooks read runs with, imported when it is asked for: see
    :mod:`nc_testbed.report.load`."""
    if name in NOTEBOOKS:
        return getattr(importlib.import_module("nc_testbed.report.load"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *NOTEBOOKS]
