"""All that a report draws of one comparison: figures by name, each with its text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from nc_testbed.report.arm import Arm
from nc_testbed.report.comparison import Comparison, at
from nc_testbed.report.figures.animation import animation, frame
from nc_testbed.report.figures.dose_response import Dose, dose, response
from nc_testbed.report.figures.panels import draw_curve, draw_curves
from nc_testbed.report.figures.sample_grid import (
    arms_with_rows,
    draw_strips,
    generations_to_show,
)
from nc_testbed.report.figures.tradeoff import trade
from nc_testbed.report.picture import Picture, as_picture
from nc_testbed.report.sentences import plain


@dataclass(frozen=True)
class Rendering:
    """A comparison and its pictures by name; ``dose``: what arms differ in, None for
    nothing.

    Names begin with the section they belong to: ``curves`` (all panels) and
    ``curve_METRIC``, ``dose_METRIC``, ``trade_METRIC``, ``strips``, ``samples`` (moving).
    """

    compared: Comparison
    dose: Dose | None
    pictures: dict[str, Picture]

    def section(self, start: str) -> list[Picture]:
        """The pictures whose names begin so."""
        return [picture for name, picture in self.pictures.items() if name.startswith(start)]


def render_comparison(compared: Comparison) -> Rendering:
    """Draw everything that a comparison has something to draw of."""
    arms = compared.arms
    pictured = arms_with_rows(arms)
    pictures = {}
    # Samples first: a damaged file is refused before time is spent on drawing the others.
    if pictured and generations_to_show(pictured, compared.last):
        pictures = _samples(pictured, compared.last)
    pictures["curves"] = as_picture(draw_curves(arms, compared.names), "all curves")
    difference = dose(arms)
    for name in compared.names:
        curve = draw_curve(arms, name)
        pictures[f"curve_{name}"] = as_picture(curve, _describe_curve(compared, name))
        if difference is not None:
            alt = f"{plain(name)} at generation {compared.last} against {difference.key}"
            pictures[f"dose_{name}"] = as_picture(response(compared, difference, name), alt)
    return Rendering(compared, difference, pictures | _trades(compared))


def _trades(compared: Comparison) -> dict[str, Picture]:
    """The headline against every overall metric, over at least two generations."""
    if compared.judged_by is None or compared.first == compared.last:
        return {}
    pictures = {}
    for name in compared.overall:
        alt = f"{plain(compared.judged_by)} against {plain(name)}, generation by generation"
        pictures[f"trade_{name}"] = as_picture(trade(compared, name), alt)
    return pictures


def _samples(arms: Sequence[Arm], last: int) -> dict[str, Picture]:
    """The strips, and the animation with its last frame for those who want no motion."""
    names = ", ".join(arm.label for arm in arms)
    strip = draw_strips(arms, last)
    still = io.BytesIO()
    frame(arms, generations_to_show(arms, last)[-1], last).save(still, format="PNG")
    files = {"gif": animation(arms, last), "png": still.getvalue()}
    return {
        "strips": as_picture(strip, f"samples by generation, a row each for {names}"),
        "samples": Picture(files, f"samples changing from generation to generation: {names}"),
    }


def _describe_curve(compared: Comparison, name: str) -> str:
    """A curve's last values in words."""
    values = (f"{arm.label} {at(arm, name, compared.last).text()}" for arm in compared.arms)
    start = f"{plain(name)} over generations; at generation {compared.last}"
    return f"{start}: {', '.join(values)}"
