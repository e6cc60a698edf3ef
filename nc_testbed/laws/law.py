"""The exact law of one metric of a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
"""One value for every generation, ``[T]``."""


@dataclass(frozen=True)
class ExactLaw:
    """The expectation of one metric at every generation.

    name: the function of :mod:`nc_testbed.theory` that gives it, with the law's letter
    and number. source: as that function's docstring has it. values: ``[T]``, of all
    generations. sd: ``[T]``, the exact standard deviation over chains where it is known,
    for heavy tails; NaN where it is not. scale: what an error is compared with, None =
    the law itself. share: the metric is 0 or 1, and the law a probability. resting:
    values at which a chain stays or has not yet moved, and unit: how far from them one is
    else; a mean so near to one of them that a handful of chains carries the remainder is
    not judged.
    """

    name: str
    source: str
    values: Curve
    sd: Curve | None = None
    scale: float | None = None
    share: bool = False
    resting: tuple[float, ...] = ()
    unit: float = 1.0


def law(
    function: Callable[..., Any],
    values: Any,
    sd: Any = None,
    scale: float | None = None,
    share: bool = False,
    resting: tuple[float, ...] = (),
    unit: float = 1.0,
) -> ExactLaw:
    """A law whose name and source are read from the docstring of its function."""
    text = " ".join((function.__doc__ or "").split())
    number = re.search(r"\(([A-H]\d*(?:, [A-H]\d+)*)\)", text)
    name = f"{function.__module__.rpartition('.')[2]}.{getattr(function, '__name__', '')}"
    source = re.search(r"Source: (.*?)\.?(?: >>>|$)", text)
    return ExactLaw(
        name=f"{name} ({number[1]})" if number else name,
        source=source[1] if source else "derived",
        values=np.asarray(values, dtype=np.float64),
        sd=None if sd is None else np.asarray(sd, dtype=np.float64),
        scale=scale,
        share=share,
        resting=resting,
        unit=unit,
    )
