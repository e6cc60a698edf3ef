"""The TensorBoard view of one run, rebuilt at any time from what the run has stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import yaml
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from torch import Tensor
from torch.utils.tensorboard.summary import hparams
from torch.utils.tensorboard.writer import SummaryWriter

from nc_testbed.core.interfaces import Generation
from nc_testbed.core.intervals import Interval
from nc_testbed.core.space import Space
from nc_testbed.data.source import Data
from nc_testbed.laws.law import ExactLaw
from nc_testbed.metrics.column import Columns
from nc_testbed.record.alarms import Following, alarm_table
from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.record.controls import Controls, read_controls
from nc_testbed.record.floors import caveat_texts, floor_refusal
from nc_testbed.record.law_check import law_check
from nc_testbed.record.tables import Trajectories, chain_rows
from nc_testbed.theory.rules import Check
from nc_testbed.view import charts
from nc_testbed.view.hparams import final, group_name, hyperparameters
from nc_testbed.view.pictures import POINTS, density, grid, samples, scatter

CHAINS_SHOWN = 3
SINGLE = 100
"""Most chains whose own curves are drawn."""
IMAGES_SHOWN = 64
POOLED = 100
"""Most chains whose planar rows make up the density of all."""
PICTURES = 100
"""Generations with pictures: TensorBoard shows no more, if it is told to show as many."""


class Dashboard:
    """Writes one run's events, one generation at a time; the step is the generation.

    directory: the run's ``tensorboard/``. config: the resolved settings. data: lets
    planar samples be drawn over the real rows and true modes; images need only
    ``facts.event`` of the config. start: the first generation that will be written;
    whatever an interrupted run wrote from there on is purged. laws: exact laws by metric,
    drawn over their curves. controls: what every metric reads on rows whose worth is
    known, flat lines in its chart.
    """

    def __init__(
        self,
        directory: Path,
        config: Mapping[str, Any],
        data: Data | None = None,
        start: int = 0,
        laws: Mapping[str, ExactLaw] | None = None,
        controls: Controls | None = None,
    ):
        self._config = config
        self._data = data
        self._laws = laws or {}
        self._controls = controls or {}
        self._columns = Columns.from_records(config)
        self._statistics = ChainStatistics.from_records(config)
        self._single = bool(config.get("dashboard", {}).get("single_chains", False))
        self._last = int(config["generations"]) - 1
        self._every = max(1, -(-self._last // (PICTURES - 1)))
        self._following = Following(config)
        self._rung: dict[str, np.ndarray] = {}
        self._at = -1
        self._final = {}
        self._writer = SummaryWriter(str(directory), purge_step=start)
        self._writer.add_text("config", _as_code(config), start)
        self._summary(hparams_pb(hyperparameters(config), trial_id=group_name(config)))

    def generation(self, generation: Generation) -> None:
        """Add a generation that has just been measured."""
        table = Trajectories.of(chain_rows(generation), self._statistics)
        values = {name: x[:, 0] for name, x in table.values.items()}
        self.write(
            generation.number, table, 0, values, generation.pictures, generation.synthetic
        )

    def write(
        self,
        generation: int,
        runs: Trajectories,
        t: int,
        values: Mapping[str, np.ndarray],
        pictures: Tensor | None = None,
        synthetic: Tensor | None = None,
    ) -> None:
        """Add one generation: position t of the trajectories, every chain's values
        {metric: [R]} where they were kept, and samples to look at, ``[R, m, D]``.

        Images are drawn from ``pictures``, made from the same latent draws in every
        generation; planar rows from ``synthetic``, the synthetic set.
        """
        rung = self._following.see(generation, values)
        if self._at < 0:
            self._summary(charts.event(self._layout(runs, rung)))
            texts = caveat_texts(self._config, self._controls, runs.intervals)
            for tag, text in texts.items():
                self._writer.add_text(tag, text, generation)
        for name, ci in runs.intervals.items():
            self._metric(generation, name, ci[t], runs.chains)
            if name in self._laws:
                self._law(generation, name, law_check(runs, name, self._laws[name], t))
        for name, by_chain in values.items() if self._single else ():
            for chain, value in enumerate(by_chain[:SINGLE]):
                if np.isfinite(value):
                    self._writer.add_scalar(f"chains/{name}/{chain:02d}", value, generation)
        for on, first in rung.items():
            self._alarm(generation, on, first)
        shared = self._columns.charts(runs.intervals)
        if rung or any(charts.has_limits(self._columns, names) for names in shared.values()):
            for tag, limit in charts.LIMITS.items():
                self._writer.add_scalar(tag, limit, generation)
        if generation % self._every == 0 or generation == self._last:
            for tag, picture in self._draw_pictures(pictures, synthetic):
                self._writer.add_image(tag, picture, generation, dataformats="HWC")
        compared = [name for names in shared.values() for name in names]
        names = dict.fromkeys([*self._columns.beside(runs.intervals), *compared])
        names = [name for name in names if not floor_refusal(self._controls, name)]
        self._at = generation
        self._final = {name: runs.intervals[name].mean[t] for name in names}
        self._rung = rung
        self._writer.flush()

    def close(self, finished: bool = True) -> None:
        """Mark the run as finished, if it is, and close the event file."""
        if finished:
            for position, (name, mean) in enumerate(self._final.items(), 1):
                if np.isfinite(mean):
                    self._writer.add_scalar(final(position, name), float(mean), self._at)
            if self._rung:
                self._writer.add_text("alarms", alarm_table(self._rung), self._at)
            self._summary(hparams({}, {})[2])
        self._writer.close()

    def _layout(self, runs: Trajectories, alarms: Iterable[str]) -> Any:
        """Which charts the custom-scalars page has."""
        several = runs.chains > 1
        return charts.layout(
            self._columns, runs.intervals, several, self._laws, alarms, self._controls
        )

    def _alarm(self, generation: int, on: str, first: np.ndarray) -> None:
        """A step from the share of chains alarmed before to that alarmed by now."""
        before, now = (float(np.mean(first <= g)) for g in (generation - 1, generation))
        self._writer.add_scalar(charts.alarm_tag(on), now, generation)
        if now > before == 0:
            self._writer.add_text("alarms", alarm_table({on: first}), generation)

    def _metric(self, generation: int, name: str, ci: Interval, chains: int) -> None:
        if ci.chains < chains:
            missing = chains - int(ci.chains)
            self._writer.add_scalar(f"chains without a value/{name}", missing, generation)
        for tag, mean in charts.control_lines(self._columns, self._controls, name).items():
            self._writer.add_scalar(tag, mean, generation)
        if ci.chains:
            self._writer.add_scalar(
                charts.scalar_tag(self._columns, name), float(ci.mean), generation
            )
        if np.isfinite(ci.low):  # the three together, or the chart refuses to draw them
            for end in charts.ENDS:
                tag = charts.band_tag(name, end)
                self._writer.add_scalar(tag, float(getattr(ci, end)), generation)

    def _law(self, generation: int, name: str, check: Check) -> None:
        if np.isfinite(check.law):
            self._writer.add_scalar(charts.law_tag(name), check.law, generation)
        if np.isfinite(check.z):
            self._writer.add_scalar(f"z against the law/{name}", check.z, generation)

    def _draw_pictures(
        self, pictures: Tensor | None, synthetic: Tensor | None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Tags and pictures of one generation."""
        if pictures is not None and self._space(pictures).image:
            for chain, rows in enumerate(pictures[:CHAINS_SHOWN, :IMAGES_SHOWN]):
                yield f"samples/chain {chain}", grid(rows, self._space(pictures), columns=8)
        elif (
            synthetic is not None and self._data is not None and self._data.space.event == (2,)
        ):
            rows = synthetic[:POOLED, :POINTS].cpu()
            if len(rows) > 1:
                yield "densities/all chains", density(rows, range(len(rows)), self._data)
            for chain in range(min(len(rows), CHAINS_SHOWN)):
                yield f"densities/chain {chain}", density(rows, [chain], self._data)
                yield f"samples/chain {chain}", scatter(rows[chain], self._data)

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
    laws: Mapping[str, ExactLaw] | None = None,
    out: Path | None = None,
) -> Dashboard:
    """The view of a run written anew; the dashboard stays open for what comes next.

    out: the folder written to, ``tensorboard/`` of the run by default.

    table: metrics of the generations already there (see :mod:`nc_testbed.record.tables`),
    None at the start of a run. Their samples are read from the run's directory, as are the
    controls; where these are damaged the view goes without.
    """
    folder = run / "tensorboard" if out is None else out
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    controls = None
    with suppress(ValueError):
        controls = read_controls(run, config)
    board = Dashboard(folder, config, data, laws=laws, controls=controls)
    if table is None:
        return board
    runs = Trajectories.of(table, ChainStatistics.from_records(config))
    for t, g in enumerate(runs.generations.tolist()):
        values = {name: x[:, t] for name, x in runs.values.items()}
        files = run / "generations" / f"{g:04d}"
        pictures = samples(files, "pictures", CHAINS_SHOWN, IMAGES_SHOWN)
        board.write(g, runs, t, values, pictures, samples(files, "rows", POOLED, POINTS))
    return board


def _as_code(config: Mapping[str, Any]) -> str:
    """The settings and what they led to, as a block of code in Markdown."""
    # Descriptions of columns would be most of it; charts tell of them by place and name.
    facts = {key: fact for key, fact in config.get("facts", {}).items() if key != "columns"}
    text = yaml.safe_dump({**config, "facts": facts}, sort_keys=False)
    return "".join(f"    {line}\n" for line in text.splitlines())
