"""Put finished runs side by side: curves with bands, a table, and strips of samples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from nc_testbed.intervals import Interval, interval
from nc_testbed.report.finished import Finished, finished
from nc_testbed.run.families import beside, headline
from nc_testbed.run.pictures import grid, samples
from nc_testbed.run.summary import collapsed, settings
from nc_testbed.types import Space, require

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Distinct to colour-blind readers (Okabe and Ito, 2008, https://jfly.uni-koeln.de/color/)."""
MARKERS = "osD^vPX"
DASHES = ("-", "--", ":", "-.")
SAMPLES = 16
"""Samples shown of one generation, in a square."""
STRIP = 10
"""At most so many generations are shown in a strip."""


@dataclass(frozen=True)
class Arm:
    """Finished runs that differ in their seed only; their chains count together.

    folders: the runs; config: the first one's settings; values: ``{metric: [R, T]}`` over the
    generations ``[T]`` that all of them reached; empty where a run kept summaries only.
    means: ``{metric: interval [T]}``. laws, alarms: a single run's own, as summary.json has them.
    """

    label: str
    folders: tuple[Path, ...]
    config: dict[str, Any]
    devices: tuple[str, ...]
    generations: np.ndarray
    chains: int
    values: dict[str, np.ndarray]
    means: dict[str, Interval]
    laws: dict[str, Any]
    alarms: list[dict[str, Any]]

    def law(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """The exact law of a metric, generations and values, or None where there is none."""
        law = self.laws.get(name)
        if law is None:
            return None
        return np.array(law["generations"]), np.array(law["values"], dtype=np.float64)


def compare(paths: Iterable[Path], out: Path, columns: Sequence[str] = ()) -> str:
    """Write curves.png, table.md and strips.png (images only) to ``out``; return the table.

    paths: run or sweep directories; every finished run at or below them is taken. columns:
    the metrics shown, by default headline, precision and one overall quality. Raises BadInput
    if there is no run, or if a column is missing in one.
    """
    arms = read(paths)
    shared = [name for name in arms[0].means if all(name in arm.means for arm in arms)]
    names = list(columns) or beside(shared)
    for name in names:
        require(name in shared, "columns", name, f"choose from {', '.join(shared)}")
    require(bool(names), "columns", "none", f"choose from {', '.join(shared)}")
    written, figures = table(arms, names), {"curves.png": curves(arms, names)}
    if len(arms[0].config["facts"]["event"]) > 1:
        figures["strips.png"] = strips(arms)
    out.mkdir(parents=True, exist_ok=True)  # nothing is there before everything is drawn
    (out / "table.md").write_text(written)
    for name, figure in figures.items():
        figure.savefig(out / name, dpi=150)
    return written


def read(paths: Iterable[Path]) -> list[Arm]:
    """All finished runs (those with a summary.json) at or below the paths, grouped by settings."""
    given = list(paths)
    there = [path for path in given if os.path.isdir(path)]  # no name is too long for this
    found = [file.parent for path in there for file in sorted(path.rglob("summary.json"))]
    folders = list(dict.fromkeys(found))
    require(bool(folders), "runs", " ".join(map(str, given)), "no finished run is there")
    runs = [finished(folder) for folder in folders]
    configs = [run.config for run in runs]
    groups: dict[str, list[int]] = {}
    for i, label in enumerate(labels(configs)):
        groups.setdefault(label, []).append(i)
    return [_arm(label, [runs[i] for i in g]) for label, g in groups.items()]


def labels(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The policy of each run, and whichever settings but the seed tell runs of it apart.

    >>> one = {"name": {"policy": "anchor"}, "policy": {"k": 1}, "seed": 0}
    >>> labels([one, {**one, "policy": {"k": 9}}, {**one, "seed": 1}])
    ['anchor k=1', 'anchor k=9', 'anchor k=1']
    """
    flat = [dict(settings(config)) for config in configs]
    made = []
    for mine in flat:
        alike = [other for other in flat if other["policy"] == mine["policy"]]
        differ = [k for k, v in mine.items() if any(other.get(k, v) != v for other in alike)]
        differ = [k for k in differ if k not in ("seed", "chains", "generations", "device")]
        differing = [f"{k.rpartition('.')[2]}={mine[k]}" for k in differ]
        made.append(" ".join([mine["policy"], *differing]))
    return made


def curves(arms: Sequence[Arm], names: Sequence[str]) -> Figure:
    """One panel per metric, one curve with its 95% band per arm, over generations.

    Where an arm has an exact law it is the thin dashed line in the arm's colour.
    """
    figure = Figure(figsize=(3.6 * len(names), 3.6), layout="constrained")
    panels(figure, arms, names)
    figure.supxlabel(caption(arms), fontsize="small", color="0.3", x=0.01, ha="left")
    return figure


def panels(figure: Figure | SubFigure, arms: Sequence[Arm], names: Sequence[str]) -> None:
    """Draw the row of panels of :func:`curves`, and its legend, into a figure or a part of one."""
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        panel(axes, arms, name)
    lines = [line for line in figure.axes[0].get_lines() if "law" not in str(line.get_label())]
    columns = max(1, int(45 * len(names) / max(len(arm.label) + 6 for arm in arms)))
    figure.legend(lines, [arm.label for arm in arms], loc="outside upper left", ncols=columns)


def panel(axes: Axes, arms: Sequence[Arm], name: str) -> None:
    """The curves of one metric; the legend names the laws alone."""
    for i, arm in enumerate(arms):
        ci = arm.means[name]
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)]}
        axes.fill_between(arm.generations, ci.low, ci.high, alpha=0.2, linewidth=0, **style)
        marker = MARKERS[i % len(MARKERS)] if len(arm.generations) <= 40 else None
        law = arm.law(name)
        width: dict[str, Any] = {} if law is None else {"linewidth": 4, "alpha": 0.45}
        axes.plot(arm.generations, ci.mean, marker=marker, markersize=4, **style, **width)
        if law is not None:
            z = arm.laws[name]["z"][-1]
            label = "law" if z is None else f"law, z {z:+.1f}"
            axes.plot(*law, linestyle="--", linewidth=1, label=label, **style)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="x-small")
    axes.set(title=name.replace("_", " "), xlabel="generation")
    axes.locator_params(axis="x", integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)


def bars(intervals: Iterable[Interval]) -> tuple[np.ndarray, np.ndarray]:
    """Means ``[K]`` of single intervals, and how far they reach below and above, ``[2, K]``."""
    ends = np.array([(ci.mean, ci.low, ci.high) for ci in intervals], dtype=np.float64).T
    return ends[0], np.stack([ends[0] - ends[1], ends[2] - ends[0]])


def caption(arms: Sequence[Arm]) -> str:
    """What the numbers rest on: data, model, work per fit, chains, device."""
    model = arms[0].config["model"]
    names = [
        " and ".join(dict.fromkeys(a.config["name"][k] for a in arms)) for k in ("data", "model")
    ]
    work = f"{model['steps']} steps per fit, " if model.get("steps") else ""
    R = ", ".join(sorted({str(arm.chains) for arm in arms}))
    device = ", ".join(sorted({device for arm in arms for device in arm.devices}))
    return f"{', '.join(names)}, {work}{R} chains; mean and 95% interval; {device}"


def table(arms: Sequence[Arm], names: Sequence[str]) -> str:
    """A markdown table: per arm, each metric at generation 0 and at the last.

    Where there is a headline, also the chains that lost three quarters of it.
    """
    last = min(int(arm.generations[-1]) for arm in arms)
    ends = (0, last) if last else (0,)
    heads = [f"{name}, generation {g}" for name in names for g in ends]
    judge = headline(arms[0].values) if all(arm.values for arm in arms) else None
    heads += [f"chains that lost 3/4 of {judge}"] if judge else []
    lines = [["policy", "chains", *heads], ["---"] * (2 + len(heads))]
    for arm in arms:
        cells = [arm.means[name][arm.generations == g] for name in names for g in ends]
        line = [arm.label, str(arm.chains), *(cell[0].text() for cell in cells)]
        lines.append(line + (["{} of {}".format(*collapsed(arm.values[judge]))] if judge else []))
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{rows}\n{caption(arms)}\n"


def strips(arms: Sequence[Arm]) -> Figure:
    """Samples of the first run's first chain: one row per arm, one column per generation."""
    last = min(int(arm.generations[-1]) for arm in arms)
    shown = np.unique(np.linspace(0, last, min(STRIP, last + 1)).round().astype(int))
    figure = Figure(figsize=(1.3 * len(shown) + 0.5, 1.4 * len(arms) + 0.3), layout="constrained")
    panels = figure.subplots(len(arms), len(shown), squeeze=False)
    for row, arm in zip(panels, arms, strict=True):
        space = Space(tuple(arm.config["facts"]["event"]), image=True)
        for axes, g in zip(row, shown, strict=True):
            rows = samples(arm.folders[0] / "generations" / f"{g:04d}", "rows", 1, SAMPLES)
            assert rows is not None, "pictures are rows"
            axes.imshow(grid(rows[0], space, columns=4), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        row[0].set_ylabel(arm.label)
    for axes, g in zip(panels[0], shown, strict=True):
        axes.set_title(f"generation {g}", fontsize="small")
    return figure


def _arm(label: str, found: list[Finished]) -> Arm:
    runs, summaries = [run.trajectories for run in found], [run.summary for run in found]
    devices = tuple(dict.fromkeys(summary["device"] for summary in summaries))
    if len(runs) == 1:
        generations, values, means = runs[0].generations, runs[0].values, runs[0].intervals
    else:
        both = "seeds cannot be joined where chains were summarised; compare one at a time"
        require(all(run.values for run in runs), "record.chains", "summary", both)
        generations = min((run.generations for run in runs), key=len)
        T = len(generations)
        shared = [name for name in runs[0].values if all(name in run.values for run in runs)]
        values = {k: np.concatenate([run.values[k][:, :T] for run in runs]) for k in shared}
        means = {name: interval(values[name]) for name in shared}
    chains = sum(run.chains for run in runs)
    alone = len(runs) == 1
    laws, alarms = (summaries[0]["laws"], summaries[0]["alarms"]) if alone else ({}, [])
    return Arm(
        label,
        tuple(run.folder for run in found),
        found[0].config,
        devices,
        generations,
        chains,
        values,
        means,
        laws,
        alarms,
    )
