"""Pictures of synthetic rows: grids of images and scatters of planar rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nc_testbed.data.source import Data
from nc_testbed.types import BadInput, Space

PIXELS = 480
"""Grids are enlarged by a whole factor to about this width."""
POINTS = 1000
"""Points shown in a scatter; the eye sees no more."""


def grid(rows: Tensor, space: Space, columns: int) -> NDArray[np.uint8]:
    """Rows ``[m, D]`` of an image space as one picture ``[H, W, 3]``, ``columns`` to a line.

    Nearest-neighbour enlargement, one grey pixel between images; the last line is filled with
    grey.
    """
    *channels, height, width = space.event
    images = rows.cpu().reshape(len(rows), *(channels or [1]), height, width).movedim(1, -1)
    lines = -(-len(rows) // columns)
    canvas = torch.full((lines, height + 1, columns, width + 1, 3), 128, dtype=torch.uint8)
    for i, image in enumerate(images):
        canvas[i // columns, :-1, i % columns, :-1] = image
    picture = canvas.reshape(lines * (height + 1), columns * (width + 1), 3)[:-1, :-1]
    factor = max(1, round(PIXELS / picture.shape[1]))
    return picture.repeat_interleave(factor, 0).repeat_interleave(factor, 1).numpy()


def scatter(rows: Tensor, data: Data) -> NDArray[np.uint8]:
    """Planar rows ``[m, 2]`` of one chain over held-out real rows, as pixels ``[H, W, 3]``.

    True modes are circles of three standard deviations, the radius within which a sample counts
    as belonging to a mode. The axes are those of the real rows in every generation.
    """
    figure = Figure(figsize=(3.4, 3.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    held_out = data.held_out.cpu()
    low, high = held_out.amin(0), held_out.amax(0)
    reach = 0.65 * float((high - low).max()) or 1.0
    axes.plot(*held_out[:: max(1, len(held_out) // POINTS)].T, ".", color="0.75", markersize=2)
    axes.plot(*rows.cpu().T, ".", color="#0072B2", markersize=3)
    _modes(axes, data)
    x, y = ((low + high) / 2).tolist()
    axes.set(aspect="equal", xlim=(x - reach, x + reach), ylim=(y - reach, y + reach))
    return render(figure)


def render(figure: Figure) -> NDArray[np.uint8]:
    """A matplotlib figure as pixels ``[H, W, 3]``, without a display."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def samples(generation: Path, name: str, chains: int, m: int) -> Tensor | None:
    """The first rows ``[<= chains, <= m, D]`` that a generation's directory holds.

    name: ``rows``, the synthetic set, or ``pictures``, rows made from fixed latent draws; where
    a run stored one of them only, it stands in for the other. None where no row was drawn.
    """
    held = {"rows": "synthetic", "pictures": "pictures"}  # the file each of them is in
    for key in sorted(held, key=lambda key: key != name):
        path = generation / f"{held[key]}.safetensors"
        if not path.is_file():
            continue
        try:
            with safe_open(path, framework="pt") as tensors:
                return tensors.get_slice(key)[:chains, :m]
        except (SafetensorError, ValueError, IndexError) as error:
            why = " ".join(str(error).split())
            raise BadInput("runs", path, f"is damaged ({why}): make this run again") from error
    return None


def _modes(axes, data: Data) -> None:
    if data.law is None or data.law.centres is None:
        return
    turn = torch.linspace(0, 2 * torch.pi, 60)
    radius = 3 * (data.law.scale or 0.0)
    for x, y in data.law.centres.cpu().tolist():
        circle = (x + radius * turn.cos(), y + radius * turn.sin())
        axes.plot(*circle, color="#D55E00", linewidth=1, zorder=3)
        axes.plot(x, y, "+", color="#D55E00", markersize=5, zorder=3)
