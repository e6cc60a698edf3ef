"""Pictures of synthetic rows: grids of images, scatters and densities of planar rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from scipy.ndimage import gaussian_filter
from torch import Tensor

from nc_testbed.core.errors import BadInput
from nc_testbed.core.space import Space
from nc_testbed.data.source import Data

PIXELS = 480
"""Grids are enlarged by a whole factor to about this width."""
POINTS = 1000
"""Points shown in a scatter; the eye sees no more."""
BINS = 120
SMOOTHING = 2.0
"""Cells along an axis of a density, and the width of its smoothing in cells."""
HELD = (0.5, 0.8, 0.95)
BLUES = ("#0072B2", "#66AAD1", "#CCE3F0")


def grid(rows: Tensor, space: Space, columns: int) -> NDArray[np.uint8]:
    """Rows ``[m, D]`` of an image space as one picture ``[H, W, 3]``, ``columns`` to a
    line.

    Nearest-neighbour enlargement, one grey pixel between images; the last line is filled
    with grey.
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
    """Planar rows ``[m, 2]`` of one chain over held-out real rows, as pixels ``[H, W,
    3]``.

    True modes are circles of three standard deviations, the radius within which a sample
    counts as belonging to a mode. The axes are those of the real rows in every
    generation.
    """
    figure, axes = _plane(data)
    held_out = data.held_out.cpu()
    axes.plot(*held_out[:: max(1, len(held_out) // POINTS)].T, ".", color="0.75", markersize=2)
    axes.plot(*rows.cpu().T, ".", color="#0072B2", markersize=3)
    _modes(axes, data)
    return render(figure)


def density(rows: Tensor, chains: Sequence[int], data: Data) -> NDArray[np.uint8]:
    """Where planar rows ``[R, m, 2]`` of these chains lie, as pixels ``[H, W, 3]``.

    Filled: the smallest regions that hold 50, 80 and 95% of them. Lines: around those
    that hold 50 and 95% of the real rows these chains began with. Both are smoothed
    alike.
    """
    figure, axes = _plane(data)
    real = torch.cat([data.rows_of(r)[data.training[r]] for r in chains])
    edges = [np.linspace(*end(), BINS + 1) for end in (axes.get_xlim, axes.get_ylim)]
    middles = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
    levels = _mass_above(rows[list(chains)].flatten(0, 1), edges)
    axes.contourf(*middles, levels, [0, *HELD], colors=BLUES)
    axes.contour(
        *middles, _mass_above(real, edges), HELD[::2], colors="#D55E00", linewidths=0.8
    )
    axes.set_title("filled: 50, 80, 95% of samples; lines: of real rows", fontsize=7)
    return render(figure)


def render(figure: Figure) -> NDArray[np.uint8]:
    """A matplotlib figure as pixels ``[H, W, 3]``, without a display."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _plane(data: Data) -> tuple[Figure, Any]:
    """A figure whose axes are those of the held-out rows, with room around them."""
    figure = Figure(figsize=(3.4, 3.4), dpi=100)
    axes = figure.add_axes((0.13, 0.08, 0.85, 0.85))  # a layout that adapts takes half the time
    axes.tick_params(labelsize=8)
    held_out = data.held_out.cpu()
    low = held_out.amin(0)
    high = held_out.amax(0)
    reach = 0.65 * float((high - low).max()) or 1.0
    x, y = ((low + high) / 2).tolist()
    axes.set(aspect="equal", xlim=(x - reach, x + reach), ylim=(y - reach, y + reach))
    return figure, axes


def _mass_above(points: Tensor, edges: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """For every cell ``[y, x]`` the share of the points that lie where they are denser,
    0..1."""
    x, y = points.cpu().numpy().T
    finite = np.isfinite(x) & np.isfinite(y)
    counts, _, _ = np.histogram2d(x[finite], y[finite], bins=edges)
    heights = gaussian_filter(counts, SMOOTHING)
    order = np.argsort(-heights, axis=None)
    mass = np.empty(heights.size)
    mass[order] = np.minimum(heights.ravel()[order].cumsum() / max(len(x), 1), 1)
    return np.where(heights > 0, mass.reshape(heights.shape), 1).T


def samples(generation: Path, name: str, chains: int, m: int) -> Tensor | None:
    """The first rows ``[<= chains, <= m, D]`` that a generation's directory holds.

    name: ``rows``, the synthetic set, or ``pictures``, rows made from fixed latent draws;
    where a run stored one of them only, it stands in for the other. None where no row was
    drawn.
    """
    mass = {"rows": "synthetic", "pictures": "pictures"}  # the file each of them is in
    for key in sorted(mass, key=lambda key: key != name):
        path = generation / f"{mass[key]}.safetensors"
        if not path.is_file():
            continue
        try:
            with safe_open(path, framework="pt") as tensors:
                return tensors.get_slice(key)[:chains, :m]
        except (SafetensorError, ValueError, IndexError) as error:
            reason = " ".join(str(error).split())
            raise BadInput(
                "runs", path, f"is damaged ({reason}): make this run again"
            ) from error
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
