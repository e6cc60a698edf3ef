"""The TensorBoard view of one run, rebuilt at any time from what the run has stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import yaml
from tensorboard.compat.proto import summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from torch import Tensor
from torch.utils.tensorboard.summary import hparams
from torch.utils.tensorboard.writer import SummaryWriter

from nc_testbed.data.source import Data
from nc_testbed.intervals import Interval
from nc_testbed.run.families import beside, family, ordered
from nc_testbed.run.laws import Law, held
from nc_testbed.run.pictures import POINTS, grid, samples, scatter
from nc_testbed.run.summary import settings
from nc_testbed.run.tables import Trajectories, chain_rows
from nc_testbed.theory.rules import Check
from nc_testbed.types import Generation, Space

# The classes of a protocol buffer are made when it is imported: no type checker sees them.
CHARTS: Any = layout_pb2
EVENTS: Any = summary_pb2
TENSORS: Any = tensor_pb2
TYPES: Any = types_pb2

CHAINS_SHOWN = 3
SINGLE = 100
"""Most chains whose own curves are drawn."""
IMAGES_SHOWN = 64


class Dashboard:
    """Writes one run's events, one generation at a time; the step is the generation.

    directory: the run's ``tensorboard/``. config: the resolved settings. data: lets planar
    samples be drawn over the real rows and true modes; images need only ``facts.event`` of the
    config. start: the first generation that will be written; whatever an interrupted run wrote
    from there on is purged. laws: exact laws by metric, drawn over their curves.
    """

    def __init__(
        self,
        directory: Path,
        config: Mapping[str, Any],
        data: Data | None = None,
        start: int = 0,
        laws: Mapping[str, Law] | None = None,
    ):
        self._config, self._data, self._laws = config, data, laws or {}
        self._single = bool(config.get("dashboard", {}).get("single_chains", False))
        self._laid_out = False
        self._writer = SummaryWriter(str(directory), purge_step=start)
        self._writer.add_text("config", _fenced(config), start)
        self._summary(hparams_pb(hyperparameters(config), trial_id=group_name(config)))

    def generation(self, left: Generation) -> None:
        """Add a generation that has just been measured."""
        table = Trajectories.of(chain_rows(left))
        values = {name: x[:, 0] for name, x in table.values.items()}
        self.write(left.number, table, 0, values, left.pictures, left.synthetic)

    def write(
        self,
        generation: int,
        runs: Trajectories,
        t: int,
        values: Mapping[str, np.ndarray],
        pictures: Tensor | None = None,
        synthetic: Tensor | None = None,
    ) -> None:
        """Add one generation: position t of the trajectories, every chain's values {metric: [R]}
        where they were kept, and samples to look at, ``[R, m, D]``.

        Images are drawn from ``pictures``, made from the same latent draws in every generation;
        planar rows from ``synthetic``, the synthetic set.
        """
        if not self._laid_out:
            chart = layout(runs.intervals, several=runs.chains > 1, laws=self._laws)
            self._summary(_charts(chart))
            self._laid_out = True
        for name, ci in runs.intervals.items():
            self._metric(generation, name, ci[t], runs.chains)
            if name in self._laws:
                self._law(generation, name, held(runs, name, self._laws[name], t))
        for name, each in values.items() if self._single else ():
            for chain, value in enumerate(each[:SINGLE]):
                if np.isfinite(value):
                    self._writer.add_scalar(f"chains/{name}/{chain:02d}", value, generation)
        for chain, picture in enumerate(self._drawn(pictures, synthetic)):
            tag = f"samples/chain {chain}"
            self._writer.add_image(tag, picture, generation, dataformats="HWC")
        self._writer.flush()

    def close(self, finished: bool = True) -> None:
        """Mark the run as finished, if it is, and close the event file."""
        if finished:
            self._summary(hparams({}, {})[2])
        self._writer.close()

    def _metric(self, generation: int, name: str, ci: Interval, chains: int) -> None:
        if ci.chains < chains:
            missing = chains - int(ci.chains)
            self._writer.add_scalar(f"chains without a value/{name}", missing, generation)
        if ci.chains:
            self._writer.add_scalar(f"{family(name)}/{name}", float(ci.mean), generation)
        if np.isfinite(ci.low):  # the three together, or the chart refuses to draw them
            for end in ("mean", "low", "high"):
                self._writer.add_scalar(_band(name, end), float(getattr(ci, end)), generation)

    def _law(self, generation: int, name: str, check: Check) -> None:
        if np.isfinite(check.law):
            self._writer.add_scalar(f"laws/{name}", check.law, generation)
        if np.isfinite(check.z):
            self._writer.add_scalar(f"z against the law/{name}", check.z, generation)

    def _drawn(self, pictures: Tensor | None, synthetic: Tensor | None) -> Iterator[np.ndarray]:
        if pictures is not None and self._space(pictures).image:
            for rows in pictures[:CHAINS_SHOWN, :IMAGES_SHOWN]:
                yield grid(rows, self._space(pictures), columns=8)
        elif synthetic is not None and self._data is not None and self._data.space.event == (2,):
            for rows in synthetic[:CHAINS_SHOWN, :POINTS]:
                yield scatter(rows, self._data)

    def _space(self, samples: Tensor) -> Space:
        if self._data is not None:
            return self._data.space
        event = tuple(self._config["facts"]["event"])
        return Space(event, image=samples.dtype == torch.uint8)

    def _summary(self, summary: Any) -> None:
        writer = self._writer.file_writer
        assert writer is not None
        writer.add_summary(summary)


def rebuild(
    run: Path,
    config: Mapping[str, Any],
    table: pa.Table | None,
    data: Data | None = None,
    laws: Mapping[str, Law] | None = None,
) -> Dashboard:
    """``tensorboard/`` of a run written anew; the dashboard stays open for what comes next.

    table: metrics of the generations already there (see :mod:`nc_testbed.run.tables`), None at
    the start of a run. Their samples are read from the run's directory.
    """
    for old in (run / "tensorboard").glob("events.out.tfevents.*"):
        old.unlink()
    board = Dashboard(run / "tensorboard", config, data, laws=laws)
    if table is None:
        return board
    runs = Trajectories.of(table)
    for t, g in enumerate(runs.generations.tolist()):
        values = {name: x[:, t] for name, x in runs.values.items()}
        folder = run / "generations" / f"{g:04d}"
        pictures = samples(folder, "pictures", CHAINS_SHOWN, IMAGES_SHOWN)
        board.write(g, runs, t, values, pictures, samples(folder, "rows", CHAINS_SHOWN, POINTS))
    return board


def layout(names: Iterable[str], several: bool, laws: Iterable[str] = ()) -> Any:
    """Charts of the custom-scalars page: first what must be read side by side, then families.

    With several chains a chart is a band (mean, low, high), with one chain a line; the law of a
    metric that has one is drawn over it. Bands are listed from the last to the first: TensorBoard
    2.21 draws the margin charts of a category in reverse (it inserts each before the end of the
    one above).
    """
    names, laws = list(names), set(laws)
    groups: dict[str, list[str]] = {"0 read together": beside(names)}
    for name in ordered(names):
        groups.setdefault(family(name), []).append(name)
    order = -1 if several else 1
    categories = [
        CHARTS.Category(
            title=group, chart=[_chart(name, several, name in laws) for name in members[::order]]
        )
        for group, members in sorted(groups.items())
        if members
    ]
    return CHARTS.Layout(category=categories)


def hyperparameters(config: Mapping[str, Any]) -> dict[str, bool | float | str]:
    """The settings as values TensorBoard takes: what is no number, text or truth is JSON.

    >>> hyperparameters({"seed": 0, "budget": None, "model": {"widths": [400, 20]}})
    {'seed': 0, 'budget': 'null', 'model.widths': '[400, 20]'}
    """
    plain = bool | int | float | str
    return {k: v if isinstance(v, plain) else json.dumps(v) for k, v in settings(config)}


def group_name(config: Mapping[str, Any]) -> str:
    """The same for runs that differ in their seed only, so that they share one table row."""
    shared = {key: value for key, value in hyperparameters(config).items() if key != "seed"}
    digest = sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:8]
    names = config.get("name", {})
    return " ".join(
        [*(names[part] for part in ("policy", "data", "model") if part in names), digest]
    )


def _band(name: str, end: str) -> str:
    return f"intervals/{name}/{end}"


def _charts(chart: Any) -> Any:
    """The event that carries a layout; torch's writer can put one series only in a chart."""
    plugin = EVENTS.SummaryMetadata.PluginData(plugin_name="custom_scalars")
    text = [chart.SerializeToString()]
    tensor = TENSORS.TensorProto(dtype=TYPES.DT_STRING, string_val=text)
    metadata = EVENTS.SummaryMetadata(plugin_data=plugin)
    value = EVENTS.Summary.Value(tag="custom_scalars__config__", tensor=tensor, metadata=metadata)
    return EVENTS.Summary(value=[value])


def _chart(name: str, several: bool, has_law: bool) -> Any:
    law = f"laws/{name}"
    if not several:
        tags = [f"{family(name)}/{name}", *([law] if has_law else [])]
        return CHARTS.Chart(title=name, multiline=CHARTS.MultilineChartContent(tag=tags))
    series = CHARTS.MarginChartContent.Series
    mean, low, high = (_band(name, end) for end in ("mean", "low", "high"))
    content = [series(value=mean, lower=low, upper=high)]
    if has_law:
        content.append(series(value=law, lower=law, upper=law))
    return CHARTS.Chart(title=name, margin=CHARTS.MarginChartContent(series=content))


def _fenced(config: Mapping[str, Any]) -> str:
    text = yaml.safe_dump(dict(config), sort_keys=False)
    return "".join(f"    {line}\n" for line in text.splitlines())
