"""What samples look like: a row per arm, a column per generation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, TypeVar

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.space import Space
from nc_testbed.report.arm import Arm
from nc_testbed.report.style import COLOURS
from nc_testbed.view.pictures import POINTS, grid, samples

SAMPLES = 16
"""Images shown of one generation, in a square."""
STRIP = 10
"""At most so many generations are shown in a strip."""
ROWS = 12
"""At most so many arms are shown in a strip."""
SAMPLE_FILES = ("synthetic.safetensors", "pictures.safetensors")
"""The files of a generation that hold rows."""
T = TypeVar("T")


def arms_with_rows(arms: Sequence[Arm]) -> list[Arm]:
    """The arms that kept rows of images or of the plane, of those shaped as the first of
    them."""
    drawable = [arm for arm in arms if _shape(arm) and stored_generations(arm)]
    return [arm for arm in drawable if _shape(arm) == _shape(drawable[0])]


def stored_generations(arm: Arm) -> list[int]:
    """The generations of the first run whose rows were kept, ascending."""
    numbered = sorted((arm.folders[0] / "generations").glob("[0-9]*"))
    folders = [folder for folder in numbered if folder.name.isdecimal()]
    return [
        int(folder.name)
        for folder in folders
        if any((folder / name).is_file() for name in SAMPLE_FILES)
    ]


def evenly_spaced(items: Sequence[T], most: int) -> list[T]:
    """At most so many of these, evenly, both ends among them.

    >>> evenly_spaced(range(20), 4)
    [0, 6, 13, 19]
    """
    positions = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[i] for i in np.unique(positions)]


def generations_to_show(arms: Sequence[Arm], last: int) -> list[int]:
    """The generations up to ``last`` whose rows any of the arms kept."""
    return sorted({g for arm in arms for g in stored_generations(arm) if g <= last})


def draw_strips(arms: Sequence[Arm], last: int) -> Figure:
    """Samples of each arm's first run's first chain: one row per arm, one column per
    generation.

    arms: of :func:`arms_with_rows`. What a run did not keep is left blank.
    """
    generations = evenly_spaced(generations_to_show(arms, last), STRIP)
    rows = arms[:ROWS]
    size = (1.3 * len(generations) + 0.5, 1.4 * len(rows) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(rows), len(generations), squeeze=False)
    is_planar = len(_shape(arms[0])) == 1
    frame = limits(arms) if is_planar else None
    for line, arm in zip(panels, rows, strict=True):
        for axes, g in zip(line, generations, strict=True):
            draw_samples(axes, arm, g, SAMPLES, frame)
        line[0].set_ylabel(arm.label, fontsize="medium" if len(arm.label) < 18 else "x-small")
    for axes, g in zip(panels[0], generations, strict=True):
        axes.set_title(f"generation {g}", fontsize="small")
    return figure


def draw_samples(
    axes: Axes, arm: Arm, generation: int, images: int, frame: Tensor | None
) -> None:
    """One generation's samples: so many images, or points of the plane over those of the
    first generation, in grey.

    frame: ``[2, 2]``, lower and upper ends of the axes of a plane, None for images.
    """
    axes.set(xticks=[], yticks=[])
    rows = _rows(arm, generation, images if frame is None else POINTS)
    if rows is None:
        axes.spines[:].set_color("0.8")
    elif frame is None:
        axes.spines[:].set_visible(False)
        picture = grid(rows, Space(_shape(arm), image=True), columns=round(images**0.5))
        axes.imshow(picture, interpolation="nearest")
    else:
        start = _rows(arm, stored_generations(arm)[0], POINTS)
        _scatter(axes, rows, rows if start is None else start, frame)


def limits(arms: Sequence[Arm]) -> Tensor:
    """Ends ``[2, 2]`` of axes that hold the first generation of every arm, with a
    margin."""
    starts = (_rows(arm, stored_generations(arm)[0], POINTS) for arm in arms)
    rows = torch.cat([start for start in starts if start is not None])
    finite = rows[rows.isfinite().all(1)]
    low = finite.amin(0)
    high = finite.amax(0)
    reach = 0.6 * float((high - low).max()) or 1.0
    return torch.stack([(low + high) / 2 - reach, (low + high) / 2 + reach])


def _scatter(axes: Axes, rows: Tensor, start: Tensor, frame: Tensor) -> None:
    """Points ``[m, 2]`` of one generation over those of the first, in grey."""
    axes.spines[:].set_color("0.8")
    dots: dict[str, Any] = {"linestyle": "none", "marker": ".", "markeredgewidth": 0}
    dots["markersize"] = 4 if len(rows) <= 300 else 2.5
    axes.plot(*start.T, color="0.65", **dots)
    axes.plot(*rows.T, color=COLOURS[0], **dots)
    axes.set(xlim=frame[:, 0].tolist(), ylim=frame[:, 1].tolist(), aspect="equal")


def _rows(arm: Arm, generation: int, m: int) -> Tensor | None:
    """Rows ``[<= m, D]`` of the first run's first chain, None where none were kept."""
    folder = arm.folders[0] / "generations" / f"{generation:04d}"
    rows = samples(folder, "rows", 1, m)
    if rows is None or not len(rows):
        return None
    shape = _shape(arm)
    is_event = rows.shape[2:] == (prod(shape),)
    is_event = is_event and (len(shape) == 1 or rows.dtype == torch.uint8)
    require(is_event, "runs", folder, f"does not hold rows of {shape}: make this run again")
    return rows[0]


def _shape(arm: Arm) -> tuple[int, ...]:
    """The event of images and of rows of the plane, () of what cannot be drawn."""
    event = tuple(arm.config["facts"]["event"])
    return event if len(event) > 1 or event == (2,) else ()
