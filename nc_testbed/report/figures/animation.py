"""Samples in motion: an animated GIF, arms side by side, a frame per generation."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from PIL import Image

from nc_testbed.report.arm import Arm
from nc_testbed.report.figures.sample_grid import (
    draw_samples,
    evenly_spaced,
    generations_to_show,
    limits,
)
from nc_testbed.view.pictures import render

FRAMES = 40
"""Most frames."""
BYTES = 1_500_000
"""Largest file: frames are left out until it is not exceeded."""
ARMS = 6
"""At most so many arms, three to a line."""
IMAGES = 36
"""Images of one generation, in a square."""
PALETTE = 64
"""Colours of all frames together; more are not seen and take room."""
FRAME_MS = 700
"""Milliseconds of a frame."""
LAST_FRAME_MS = 2000
"""Milliseconds of the last frame, after which the animation begins again."""


def animation(arms: Sequence[Arm], last: int) -> bytes:
    """The GIF of each arm's first run's first chain, from the first stored generation to
    ``last``.

    arms: of :func:`nc_testbed.report.figures.sample_grid.arms_with_rows`.
    """
    generations = evenly_spaced(generations_to_show(arms, last), FRAMES)
    frames = [frame(arms, g, last) for g in generations]
    data = _gif(frames)
    while len(data) > BYTES and len(frames) > 2:
        frames = evenly_spaced(frames, len(frames) // 2)
        data = _gif(frames)
    return data


def frame(arms: Sequence[Arm], generation: int, last: int) -> Image.Image:
    """One generation of the first arms, side by side."""
    rows = arms[:ARMS]
    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    size = (2.6 * columns, 2.8 * lines + 0.3)
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).flatten()
    is_planar = len(rows[0].config["facts"]["event"]) == 1
    for axes in panels[len(rows) :]:
        axes.set_axis_off()
    for axes, arm in zip(panels, rows, strict=False):
        draw_samples(axes, arm, generation, IMAGES, limits(rows) if is_planar else None)
        axes.set_title(arm.label, fontsize="medium" if len(arm.label) < 24 else "x-small")
    figure.suptitle(f"generation {generation} of {last}", fontsize="medium")
    return Image.fromarray(render(figure))


def _gif(frames: Sequence[Image.Image]) -> bytes:
    """Frames as a GIF that repeats for ever; they share one palette, or colours would
    flicker."""
    palette = frames[-1].quantize(PALETTE, Image.Quantize.MAXCOVERAGE)
    levels = palette.getpalette() or []
    # MAXCOVERAGE mixes near-white colours into white, which would grey the background.
    palette.putpalette([255 if level > 247 else level for level in levels])
    small = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    times = [FRAME_MS] * (len(small) - 1) + [LAST_FRAME_MS]
    stream = io.BytesIO()
    small[0].save(
        stream,
        format="GIF",
        save_all=True,
        append_images=small[1:],
        duration=times,
        loop=0,
    )
    return stream.getvalue()
