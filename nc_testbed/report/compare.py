"""Put finished runs side by side: runs that differ in their seed only together, and curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from nc_testbed.core.errors import require
from nc_testbed.core.intervals import Interval, interval
from nc_testbed.record.summary import settings
from nc_testbed.report.finished import Finished
from nc_testbed.report.gather import gather

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Distinct to colour-blind readers (Okabe and Ito, 2008, https://jfly.uni-koeln.de/color/)."""
MARKERS = "osD^vPX"
DASHES = ("-", "--", ":", "-.")
PANEL = (4.2, 3.3, 0.24)
"""Inches of a panel of its own, three of them beside each other on a page: its width, its height,
and what a line of its legend adds to that."""
LAWS = 6
"""Up to so many laws are named one by one in a panel."""


@dataclass(frozen=True)
class Arm:
    """Finished runs that differ in their seed only; their chains count together.

    folders: the runs; config: the first one's settings; values: ``{metric: [R, T]}`` over the
    generations ``[T]`` that all of them reached; empty where a run kept summaries only.
    means: ``{metric: interval [T]}``. laws: as summary.json has them, those alone that all runs
    share; of several runs without z. alarms: a single run's own. paired_by: the seed of every
    chain and its number in its run: chains of other arms with the same two share their streams.
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
    paired_by: tuple[tuple[int, int], ...] = ()

    def law(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """The exact law of a metric, generations and values, or None where there is none."""
        law = self.laws.get(name)
        if law is None:
            return None
        return np.array(law["generations"]), np.array(law["values"], dtype=np.float64)


def read(paths: Iterable[Path]) -> list[Arm]:
    """All finished runs (those with a summary.json) at or below the paths, grouped by settings."""
    return as_arms(gather(paths).runs)


def as_arms(runs: Sequence[Finished]) -> list[Arm]:
    """Finished runs, grouped by their settings but the seed, in their order."""
    groups: dict[str, list[Finished]] = {}
    for run, label in zip(runs, labels([run.config for run in runs]), strict=True):
        groups.setdefault(label, []).append(run)
    return [_arm(label, group) for label, group in groups.items()]


def shared_generations(recorded: Sequence[np.ndarray]) -> np.ndarray:
    """The generations that are in all of these; raises BadInput where there is none."""
    shared = set(recorded[0].tolist()).intersection(*(each.tolist() for each in recorded))
    remedy = "the runs recorded no generation in common; compare them one at a time"
    require(bool(shared), "record.generations", "none", remedy)
    return np.array(sorted(shared))


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
    legend(figure, lines, [arm.label for arm in arms], len(names))


def look(i: int) -> dict[str, Any]:
    """Colour and marker of the i-th arm: no two of the first 49 are the same."""
    n = len(COLOURS)
    return {"color": COLOURS[i % n], "marker": MARKERS[(i + i // n) % n]}


def single(labels: Sequence[str]) -> tuple[Figure, Axes]:
    """A panel of its own, high enough for a legend of these labels above it."""
    width, height, line = PANEL
    lines = -(-len(labels) // _legend(labels, 1)[1])
    figure = Figure(figsize=(width, height + line * lines), layout="constrained")
    return figure, figure.subplots()


def legend(
    figure: Figure | SubFigure, handles: Sequence[Any], labels: Sequence[str], width: int
) -> None:
    """The legend above so many panels; long labels are written small."""
    size, columns = _legend(labels, width)
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, fontsize=size)


def _legend(labels: Sequence[str], width: int) -> tuple[str, int]:
    """Size of the letters, and columns, of a legend above so many panels."""
    longest, many = max(map(len, labels)) + 6, len(labels) > len(COLOURS)
    sizes = {"x-small": 64, "xx-small": 76} if many else {"medium": 45, "small": 54, "x-small": 64}
    fits = {size: int(width * room / longest) for size, room in sizes.items()}
    return next(((size, n) for size, n in fits.items() if n), ("xx-small", 1))


def panel(axes: Axes, arms: Sequence[Arm], name: str) -> None:
    """The curves of one metric; the legend names the laws alone."""
    for i, arm in enumerate(arms):
        ci = arm.means[name]
        style = look(i)
        marker = style.pop("marker")
        marker = marker if len(arm.generations) <= 40 else None
        alpha = 0.2 if len(arms) <= len(COLOURS) else 0.06  # or nothing else would be seen
        axes.fill_between(arm.generations, ci.low, ci.high, alpha=alpha, linewidth=0, **style)
        law = arm.law(name)
        width: dict[str, Any] = {} if law is None else {"linewidth": 4, "alpha": 0.45}
        axes.plot(arm.generations, ci.mean, marker=marker, markersize=4, **style, **width)
        if law is not None:
            z = arm.laws[name]["z"][-1]
            label = "law" if z is None else f"law, z {z:+.1f}"
            axes.plot(*law, linestyle="--", linewidth=1, label=label, **style)
    handles, named = axes.get_legend_handles_labels()
    if handles:
        few = len(handles) <= LAWS
        axes.legend(handles if few else handles[:1], named if few else ["law"], fontsize="x-small")
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


def _arm(label: str, found: list[Finished]) -> Arm:
    runs, summaries = [run.trajectories for run in found], [run.summary for run in found]
    devices = tuple(dict.fromkeys(summary["device"] for summary in summaries))
    if len(runs) == 1:
        generations, values, means = runs[0].generations, runs[0].values, runs[0].intervals
    else:
        both = "seeds cannot be joined where chains were summarised; compare one at a time"
        require(all(run.values for run in runs), "record.chains", "summary", both)
        generations = shared_generations([run.generations for run in runs])
        kept = [np.isin(run.generations, generations) for run in runs]
        shared = [name for name in runs[0].values if all(name in run.values for run in runs)]
        values = {
            name: np.concatenate([r.values[name][:, at] for r, at in zip(runs, kept, strict=True)])
            for name in shared
        }
        means = {name: interval(values[name]) for name in shared}
    alone = len(runs) == 1
    return Arm(
        label,
        tuple(run.folder for run in found),
        found[0].config,
        devices,
        generations,
        sum(run.chains for run in runs),
        values,
        means,
        summaries[0]["laws"] if alone else _shared_laws([each["laws"] for each in summaries]),
        summaries[0]["alarms"] if alone else [],
        tuple((run.config["seed"], i) for run in found for i in range(run.trajectories.chains)),
    )


def _shared_laws(laws: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The laws that are the same curve in every run; z belongs to a run's own chains."""
    curve = ("generations", "values")
    return {
        name: {**law, "z": [None] * len(law["z"])}
        for name, law in laws[0].items()
        if all(name in other and all(other[name][k] == law[k] for k in curve) for other in laws)
    }
