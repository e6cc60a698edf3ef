"""Which exact law the metrics of a run follow, and how far the run is from it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nc_testbed.run.tables import Trajectories
from nc_testbed.theory.rules import Check, mean_check, share_check

RARE = 10
"""A mean's distance from rest is not judged where fewer chains than this could carry it."""
Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """The expectation of one metric at every generation.

    name: the function of :mod:`nc_testbed.theory` that gives it, with the law's letter and
    number. source: as that function's docstring has it. values: ``[T]``, of all generations.
    sd: ``[T]``, the exact standard deviation over chains where it is known, for heavy tails; NaN
    where it is not.
    scale: what an error is compared with, None = the law itself. share: the metric is 0 or 1,
    and the law a probability. rest: values at which a chain stays or has not yet moved, and
    unit: how far from them one is else; a mean so near to one of them that a handful of chains
    carries the rest is not judged.
    """

    name: str
    source: str
    values: Curve
    sd: Curve | None = None
    scale: float | None = None
    share: bool = False
    rest: tuple[float, ...] = ()
    unit: float = 1.0


def law(
    function: Callable[..., Any],
    values: Any,
    sd: Any = None,
    scale: float | None = None,
    share: bool = False,
    rest: tuple[float, ...] = (),
    unit: float = 1.0,
) -> Law:
    """A law whose name and source are read from the docstring of its function."""
    text = " ".join((function.__doc__ or "").split())
    number = re.search(r"\(([A-H]\d*(?:, [A-H]\d+)*)\)", text)
    name = f"{function.__module__.rpartition('.')[2]}.{getattr(function, '__name__', '')}"
    found = re.search(r"Source: (.*?)\.?(?: >>>|$)", text)
    return Law(
        name=f"{name} ({number[1]})" if number else name,
        source=found[1] if found else "derived",
        values=np.asarray(values, dtype=np.float64),
        sd=None if sd is None else np.asarray(sd, dtype=np.float64),
        scale=scale,
        share=share,
        rest=rest,
        unit=unit,
    )


def held(runs: Trajectories, name: str, expected: Law, t: int) -> Check:
    """The metric's mean against its law at position t of the recorded generations.

    Inconclusive where a chain has no finite value: a law is about all chains.
    """
    ci, R, g = runs.intervals[name][t], runs.chains, int(runs.generations[t])
    mean, value = float(ci.mean), float(expected.values[g])
    if int(ci.chains) < R or not np.isfinite(value):
        return Check(value, mean, np.nan, np.nan, "inconclusive")
    if expected.share:
        return share_check(round(mean * R), R, min(max(value, 0.0), 1.0))
    sd = None if expected.sd is None or np.isnan(expected.sd[g]) else float(expected.sd[g])
    check = mean_check((mean, float(runs.sds[name][t]), R), value, expected.scale, sd)
    # What a handful of chains carries is Poisson, and its sample deviation says nothing.
    gaps = [max(abs(value - r), abs(mean - r)) for r in expected.rest]
    rare = any(R * gap < RARE * expected.unit for gap in gaps)
    return dataclasses.replace(check, z=np.nan, verdict="inconclusive") if rare else check
