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
from nc_testbed.report.compare import COLOURS, Arm
from nc_testbed.view.pictures import POINTS, grid, samples

SAMPLES = 16
"""Images shown of one generation, in a square."""
STRIP = 10
"""At most so many generations are shown in a strip."""
T = TypeVar("T")
ROWS = 12
"""At most so many arms are shown in a strip."""


def pictured(arms: Sequence[Arm]) -> list[Arm]:
    """The arms that kept rows of images or of the plane, of those that are shaped as the first."""
    kept = [arm for arm in arms if _shape(arm) and stored(arm)]
    return [arm for arm in kept if _shape(arm) == _shape(kept[0])]


def stored(arm: Arm) -> list[int]:
    """The generations of the first run whose rows were kept, ascending."""
    there = sorted((arm.folders[0] / "generations").glob("[0-9]*"))
    folders = [folder for folder in there if folder.name.isdecimal()]
    held = ("synthetic.safetensors", "pictures.safetensors")
    return [int(f.name) for f in folders if any((f / name).is_file() for name in held)]


def spread(generations: Sequence[T], most: int) -> list[T]:
    """At most so many of these, evenly, both ends among them.

    >>> spread(range(20), 4)
    [0, 6, 13, 19]
    """
    places = np.linspace(0, len(generations) - 1, min(most, len(generations))).round().astype(int)
    return [generations[i] for i in np.unique(places)]


def together(arms: Sequence[Arm], last: int) -> list[int]:
    """The generations up to ``last`` that any of the arms kept."""
    return sorted({g for arm in arms for g in stored(arm) if g <= last})


def strips(arms: Sequence[Arm], last: int) -> Figure:
    """Samples of each arm's first run's first chain: one row per arm, one column per generation.

    arms: of :func:`pictured`. What a run did not keep is left blank.
    """
    shown, rows = spread(together(arms, last), STRIP), arms[:ROWS]
    planar = len(_shape(arms[0])) == 1
    figure = Figure(figsize=(1.3 * len(shown) + 0.5, 1.4 * len(rows) + 0.3), layout="constrained")
    panels = figure.subplots(len(rows), len(shown), squeeze=False)
    frame = limits(arms) if planar else None
    for line, arm in zip(panels, rows, strict=True):
        for axes, g in zip(line, shown, strict=True):
            draw(axes, arm, g, SAMPLES, frame)
        line[0].set_ylabel(arm.label, fontsize="medium" if len(arm.label) < 18 else "x-small")
    for axes, g in zip(panels[0], shown, strict=True):
        axes.set_title(f"generation {g}", fontsize="small")
    return figure


def draw(axes: Axes, arm: Arm, generation: int, images: int, frame: Tensor | None) -> None:
    """One generation's samples: so many images, or points of the plane over those of the first
    generation, in grey.

    frame: ``[2, 2]``, lower and upper ends of the axes of a plane, None for images.
    """
    axes.set(xticks=[], yticks=[])
    rows = _rows(arm, generation, images if frame is None else POINTS)
    if rows is None:
        axes.spines[:].set_color("0.8")
        return
    if frame is None:
        axes.spines[:].set_visible(False)
        picture = grid(rows, Space(_shape(arm), image=True), columns=round(images**0.5))
        axes.imshow(picture, interpolation="nearest")
        return
    axes.spines[:].set_color("0.8")
    start = _rows(arm, stored(arm)[0], POINTS)
    dots: dict[str, Any] = {"linestyle": "none", "marker": ".", "markeredgewidth": 0}
    dots["markersize"] = 4 if len(rows) <= 300 else 2.5
    axes.plot(*(rows if start is None else start).T, color="0.65", **dots)
    axes.plot(*rows.T, color=COLOURS[0], **dots)
    axes.set(xlim=frame[:, 0].tolist(), ylim=frame[:, 1].tolist(), aspect="equal")


def limits(arms: Sequence[Arm]) -> Tensor:
    """Ends ``[2, 2]`` of axes that hold the first generation of every arm, with a margin."""
    there = (_rows(arm, stored(arm)[0], POINTS) for arm in arms)
    rows = torch.cat([each for each in there if each is not None])
    finite = rows[rows.isfinite().all(1)]
    low, high = finite.amin(0), finite.amax(0)
    reach = 0.6 * float((high - low).max()) or 1.0
    return torch.stack([(low + high) / 2 - reach, (low + high) / 2 + reach])


def _rows(arm: Arm, generation: int, m: int) -> Tensor | None:
    """Rows ``[<= m, D]`` of the first run's first chain, None where none were kept."""
    folder = arm.folders[0] / "generations" / f"{generation:04d}"
    rows, shape = samples(folder, "rows", 1, m), _shape(arm)
    if rows is None or not len(rows):
        return None
    fits = rows.shape[2:] == (prod(shape),) and (len(shape) == 1 or rows.dtype == torch.uint8)
    require(fits, "runs", folder, f"does not hold rows of {shape}: make this run again")
    return rows[0]


def _shape(arm: Arm) -> tuple[int, ...]:
    """The event of images and of rows of the plane, () of what cannot be drawn."""
    event = tuple(arm.config["facts"]["event"])
    return event if len(event) > 1 or event == (2,) else ()
