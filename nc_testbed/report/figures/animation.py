"""Samples in motion: an animated GIF, arms side by side, a frame per generation."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from PIL import Image

from nc_testbed.report.compare import Arm
from nc_testbed.report.figures.sample_grid import draw, limits, spread, together
from nc_testbed.view.pictures import render

FRAMES = 40
"""Most frames."""
BYTES = 1_500_000
"""Largest file: frames are left out until it is not exceeded."""
ARMS = 6
"""At most so many arms, three to a line."""
IMAGES = 36
"""Images of one generation, in a square."""
COLOURS = 64
"""Of all frames together; more is not seen and takes room."""
MILLISECONDS = (700, 2000)
"""Time of a frame, and of the last."""


def animation(arms: Sequence[Arm], last: int) -> bytes:
    """The GIF of each arm's first run's first chain, from the first stored generation to ``last``.

    arms: of :func:`nc_testbed.report.figures.sample_grid.pictured`.
    """
    shown = spread(together(arms, last), FRAMES)
    frames = [frame(arms, g, last) for g in shown]
    data = _gif(frames)
    while len(data) > BYTES and len(frames) > 2:
        frames = spread(frames, len(frames) // 2)
        data = _gif(frames)
    return data


def frame(arms: Sequence[Arm], generation: int, last: int) -> Image.Image:
    """One generation of the first arms, side by side."""
    rows = arms[:ARMS]
    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.8 * lines + 0.3), dpi=100, layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).flatten()
    planar = len(rows[0].config["facts"]["event"]) == 1
    for axes in panels[len(rows) :]:
        axes.set_axis_off()
    for axes, arm in zip(panels, rows, strict=False):
        draw(axes, arm, generation, IMAGES, limits(rows) if planar else None)
        axes.set_title(arm.label, fontsize="medium" if len(arm.label) < 24 else "x-small")
    figure.suptitle(f"generation {generation} of {last}", fontsize="medium")
    return Image.fromarray(render(figure))


def _gif(frames: Sequence[Image.Image]) -> bytes:
    """Frames as a GIF that repeats for ever; they share one palette, or colours would flicker."""
    palette = frames[-1].quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    mixed = palette.getpalette() or []
    palette.putpalette([255 if level > 247 else level for level in mixed])  # white stays white
    small = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    step, rest = MILLISECONDS
    times = [step] * (len(small) - 1) + [rest]
    stream = io.BytesIO()
    small[0].save(
        stream, format="GIF", save_all=True, append_images=small[1:], duration=times, loop=0
    )
    return stream.getvalue()
