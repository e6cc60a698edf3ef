"""All that a report draws of one comparison: figures by name, each with its text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from nc_testbed.report.compare import Arm, curves, legend, panel, single
from nc_testbed.report.comparison import Comparison, at
from nc_testbed.report.figures.animation import animation, frame
from nc_testbed.report.figures.dose_response import Dose, dose, response
from nc_testbed.report.figures.sample_grid import pictured, strips, together
from nc_testbed.report.figures.tradeoff import trade
from nc_testbed.report.markup import drawn
from nc_testbed.report.sentences import plain


@dataclass(frozen=True)
class Picture:
    """A figure's files, ``{kind: bytes}`` of png, svg or gif, and what it shows, in words."""

    files: dict[str, bytes]
    alt: str


@dataclass(frozen=True)
class Shown:
    """A comparison and its pictures by name; ``dose``: what arms differ in, None for nothing.

    Names begin with the section they belong to: ``curves`` (all panels) and ``curve_METRIC``,
    ``dose_METRIC``, ``trade_METRIC``, ``strips``, ``samples`` (moving).
    """

    compared: Comparison
    dose: Dose | None
    pictures: dict[str, Picture]

    def named(self, start: str) -> list[Picture]:
        """The pictures whose names begin so."""
        return [picture for name, picture in self.pictures.items() if name.startswith(start)]


def shown(compared: Comparison) -> Shown:
    """Draw everything that a comparison has something to draw of."""
    found, arms = dose(compared.arms), compared.arms
    rows = pictured(arms)
    # Samples first: a damaged file is refused before time is spent on drawing the rest.
    pictures = _samples(rows, compared.last) if rows and together(rows, compared.last) else {}
    pictures["curves"] = _picture(curves(arms, compared.names), "all curves")
    for name in compared.names:
        pictures[f"curve_{name}"] = _picture(_curve(compared, name), _ends(compared, name))
        if found is not None:
            drawn_over = f"{plain(name)} at generation {compared.last} against {found.key}"
            pictures[f"dose_{name}"] = _picture(response(compared, found, name), drawn_over)
    moves = compared.judged_by is not None and compared.first < compared.last
    for name in compared.overall if moves else ():
        alt = f"{plain(str(compared.judged_by))} against {plain(name)}, generation by generation"
        pictures[f"trade_{name}"] = _picture(trade(compared, name), alt)
    return Shown(compared, found, pictures)


def _samples(arms: Sequence[Arm], last: int) -> dict[str, Picture]:
    """The strips, and the animation with its last frame for those who want no motion."""
    names = ", ".join(arm.label for arm in arms)
    strip = _picture(strips(arms, last), f"samples by generation, a row each for {names}")
    still = io.BytesIO()
    frame(arms, together(arms, last)[-1], last).save(still, format="PNG")
    alt = f"samples changing from generation to generation: {names}"
    moving = Picture({"gif": animation(arms, last), "png": still.getvalue()}, alt)
    return {"strips": strip, "samples": moving}


def _curve(compared: Comparison, name: str) -> Figure:
    labels = [arm.label for arm in compared.arms]
    figure, axes = single(labels)
    panel(axes, compared.arms, name)
    measured = [line for line in axes.get_lines() if "law" not in str(line.get_label())]
    legend(figure, measured, labels, 1)
    return figure


def _ends(compared: Comparison, name: str) -> str:
    """A curve's last values in words."""
    ends = (f"{a.label} {at(a, name, compared.last).text()}" for a in compared.arms)
    return f"{plain(name)} over generations; at generation {compared.last}: {', '.join(ends)}"


def _picture(figure: Figure, alt: str) -> Picture:
    figure.draw_without_rendering()
    figure.set_layout_engine(None)  # laid out once, not again for every kind of file
    return Picture({kind: drawn(figure, kind) for kind in ("png", "svg")}, alt)
