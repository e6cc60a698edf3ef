"""Dose and response: where arms end against the number in which they differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nc_testbed.record.summary import settings
from nc_testbed.report.arm import Arm, value_of
from nc_testbed.report.comparison import Comparison, at
from nc_testbed.report.figures.control_lines import draw_control_lines
from nc_testbed.report.sentences import plain
from nc_testbed.report.style import bars, legend, look, single

DECADE = 10
"""From this ratio of the largest to the smallest positive dose on, the axis is
logarithmic."""
APART = ("seed", "chains", "generations", "device")
TICKS = 8
"""Up to so many doses are written below a logarithmic axis."""
LEVELS = 4
"""Most arms without a dose that are drawn as levels."""


@dataclasses.dataclass(frozen=True)
class Dose:
    """key: the setting in which arms differ. lines: arms that differ in it alone, by
    increasing dose, and what tells the lines apart. levels: arms that have no dose."""

    key: str
    lines: dict[str, list[Arm]]
    levels: list[Arm]

    @property
    def name(self) -> str:
        """The setting's short name."""
        return self.key.rpartition(".")[2]


def dose(arms: Sequence[Arm]) -> Dose | None:
    """The number in which most arms of one policy differ, settings of the policy first;
    None where no two do."""
    best: tuple[tuple[bool, int, int], Dose] | None = None
    for key in dict.fromkeys(name for arm in arms for name, _ in settings(arm.config)):
        lines = {} if key in APART else _lines(arms, key)
        dosed = [arm for line in lines.values() for arm in line]
        if not dosed:
            continue
        others = [arm for arm in arms if all(arm is not other for other in dosed)]
        rank = (key.startswith("policy."), max(map(len, lines.values())), len(dosed))
        if best is None or rank > best[0]:
            best = rank, Dose(key, lines, others[:LEVELS])
    return None if best is None else best[1]


def response(compared: Comparison, difference: Dose, name: str) -> Figure:
    """A metric at the last generation over the dose, with 95% intervals and, dashed,
    exact laws; arms without a dose are levels with their bands, controls thin lines."""
    figure, axes = single([*difference.lines, *(arm.label for arm in difference.levels), "law"])
    places = [id(arm) for arm in compared.arms]  # colours are those of the curves
    for label, line in difference.lines.items():
        _line(axes, line, difference.key, name, compared.last, label, places.index(id(line[0])))
    for arm in difference.levels:
        ci = at(arm, name, compared.last)
        colour = look(places.index(id(arm)))["color"]
        axes.axhspan(float(ci.low), float(ci.high), color=colour, alpha=0.12, linewidth=0)
        axes.axhline(float(ci.mean), color=colour, linestyle=":", label=arm.label)
    dosed = [arm for line in difference.lines.values() for arm in line]
    _scale(axes, np.array([value_of(arm, difference.key) for arm in dosed], dtype=np.float64))
    draw_control_lines(axes, compared.arms, name)
    title = f"{plain(name)}, generation {compared.last}"
    axes.set(title=title, xlabel=difference.key)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    if any(_law(arm, name, compared.last) is not None for arm in dosed):
        axes.plot([], [], "--_", color="0.2", markersize=14, label="law")
    legend(figure, *axes.get_legend_handles_labels(), 1)
    return figure


def _lines(arms: Sequence[Arm], key: str) -> dict[str, list[Arm]]:
    """Arms of one policy that differ in the number ``key`` and in no other setting."""
    groups: dict[tuple[str, str], list[Arm]] = {}
    for arm in arms:
        flat = dict(settings(arm.config))
        if isinstance(flat.get(key), int | float) and not isinstance(flat[key], bool):
            others = repr([pair for pair in flat.items() if pair[0] not in (key, *APART)])
            groups.setdefault((arm.config["name"]["policy"], others), []).append(arm)
    lines: dict[str, list[Arm]] = {}
    for (policy, _), group in groups.items():
        if len({value_of(arm, key) for arm in group}) > 1:
            label = _label(policy, group, key, lines)
            lines[label] = sorted(group, key=lambda arm: value_of(arm, key))
    return lines


def _label(policy: str, group: Sequence[Arm], key: str, labels: dict[str, Any]) -> str:
    """The first arm's label without its dose; labels: those of other lines."""
    short = f"{key.rpartition('.')[2]}="
    words = [w for w in group[0].label.split(" ") if not w.startswith(short)]
    label = " ".join(words) or policy
    return label if label not in labels else f"{label} ({len(labels) + 1})"


def _line(
    axes: Axes, line: Sequence[Arm], key: str, name: str, last: int, label: str, i: int
) -> None:
    doses = [value_of(arm, key) for arm in line]
    style: dict[str, Any] = look(i) | {"markersize": 5, "capsize": 3, "label": label}
    axes.errorbar(doses, *bars(at(arm, name, last) for arm in line), **style)
    laws = [(x, _law(arm, name, last)) for x, arm in zip(doses, line, strict=True)]
    exact = [(x, y) for x, y in laws if y is not None]
    if exact:
        axes.plot(*zip(*exact, strict=True), "--_", color="0.2", markersize=14)


def _law(arm: Arm, name: str, generation: int) -> float | None:
    """The exact law's value at one generation, None where there is none."""
    law = arm.law(name)
    values = [] if law is None else law[1][law[0] == generation]
    return float(values[0]) if len(values) and np.isfinite(values[0]) else None


def _scale(axes: Axes, doses: np.ndarray) -> None:
    """A logarithmic axis where doses span a decade, linear up to the smallest where one
    is 0."""
    positive = doses[doses > 0]
    if len(positive) < 2 or doses.min() < 0 or positive.max() < DECADE * positive.min():
        return
    if doses.min() > 0:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=float(positive.min()))
    if len(ticks := np.unique(doses)) <= TICKS:
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
