"""The closed loop: compose, fit, sample, measure, retrain. No files, no logging.

Model collapse is what happens to the fits on the way: each is trained on what the
policy takes from the real rows and from samples of the fits before it. A run keeps its
past in one of two stores. :class:`nc_testbed.loop.row_store.RowStore` keeps every row
that was drawn. :class:`nc_testbed.loop.statistic_store.StatisticStore` draws the
sufficient statistics of as many rows and never a row, so that 10^5 chains cost what a
few cost otherwise; where generations are not recorded it takes its blocks of chains
through them before it composes the next recorded one. The loop is the same: what
differs is asked of the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from nc_testbed.core.interfaces import Fit, Generation, Progress, Training, no_progress
from nc_testbed.core.machine import matmul_precision, within_memory
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.status import status
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.loop.run import BEGINNING, Past, Run, over_chains
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.parameters import Parameters

PICTURES = 64
"""Samples per chain on one fixed latent draw, for the eye."""


def closed_loop(
    run: Run, past: Past = BEGINNING, progress: Progress = no_progress
) -> Iterator[Generation]:
    """Train every generation on what the policy takes from the generations before it.

    Generation 0 trains on all real rows, whatever the policy. A loop that goes on after
    ``past`` has the same streams, so it ends where an uninterrupted one ends.
    """
    store = run.store(run, past)
    first = past.first
    fit = past.last
    for number in store.ahead():
        with run.limits():
            streams = run.streams(number)
            training = store.compose(streams, progress)  # which rows, of which past
            fit = fit_chains(run, training, streams, fit, progress)  # R independent fits
            first = first or fit
            synthetic = store.sample(fit, streams)  # for generations to come
            pictures = store.pictures(fit)
            record = describe(run, fit, streams, first, training, (synthetic, pictures))
            synthetic = store.add(fit, synthetic)
            origin = store.origin(training)
            weights = fit.state_dict()
        yield Generation(number, weights, record, synthetic, pictures, **origin)


def fit_chains(
    run: Run,
    training: Training,
    streams: RandomStreams,
    previous: Fit | None,
    progress: Progress = no_progress,
) -> Fit:
    """R independent fits; ``previous`` is the last generation's."""

    def fit_part(part: slice, step: Progress) -> dict[str, Tensor]:
        before = None if previous is None else _part_of(run, previous, part)
        rows = training.part(part)
        own_streams = streams.part(part)
        if run.stream and before is not None:
            rows = _stream_rows(run, rows, before, own_streams)
        with matmul_precision(run.device):
            return run.model.fit(rows, own_streams, before, step).state_dict()

    states = over_chains(run, training.size, fit_part, progress)
    weights = {name: torch.cat([state[name] for state in states]) for name in states[0]}
    return run.model.restore(weights, run.data.space)


def sample(run: Run, fit: Fit, n: int, streams: RandomStreams) -> Tensor:
    """n stored rows per chain ``[R, n, D]``."""

    def sample_part(part: slice, _: Progress) -> Tensor:
        return _part_of(run, fit, part).sample(n, streams.part(part), run.sampling)

    return torch.cat(over_chains(run, n, sample_part))


def draw_again(run: Run, fit: Fit, generation: int) -> Tensor:
    """The synthetic set that this fit of a generation has left before, the same rows."""
    with run.limits():
        return sample(run, fit, run.sizes[generation + 1], run.streams(generation))


def describe(
    run: Run,
    fit: Fit,
    streams: RandomStreams,
    first: Fit,
    training: Training,
    samples: Sequence[Tensor | None],
) -> dict[str, Tensor]:
    """Metrics and status of one generation ``{name: [R]}``,
    empty where it is not recorded."""
    if not run.is_recorded(streams.generation):
        return {}
    record = measure(run, fit, streams, first, training)
    sets = [rows for rows in samples if rows is not None]
    record["status"] = status(fit.state_dict(), record, sets)
    return record


def measure(
    run: Run,
    fit: Fit,
    streams: RandomStreams,
    first: Fit | None = None,
    training: Training | None = None,
) -> dict[str, Tensor]:
    """Every metric of a fit, ``{name: [R]}``
    float64, on samples that nothing is trained on."""
    scope = streams.enter_scope("evaluation")
    if all(isinstance(metric, Parameters) for metric in run.metrics.values()):
        rows = run.data.x.new_empty(run.chains, 0, run.data.space.size)
    else:
        rows = sample(run, fit, run.evaluation_rows, scope)
    evaluation = Evaluation(fit, rows, run.reference, scope, first, training)
    record = dict(fit.report())
    for metric in run.metrics.values():
        record |= within_memory(partial(metric.measure, evaluation), run.chains)
    return {name: value.to("cpu", torch.float64) for name, value in record.items()}


def _part_of(run: Run, fit: Fit, part: slice) -> Fit:
    """The fits of some of the chains."""
    weights = {name: value[part] for name, value in fit.state_dict().items()}
    return run.model.restore(weights, run.data.space)


def _stream_rows(
    run: Run, rows: TrainingSet, before: Fit, streams: RandomStreams
) -> TrainingSet:
    """The same real rows, and fresh draws of the
    fit before in the place of synthetic ones."""
    if not rows.has_synthetic:
        return rows
    from nc_testbed.loop.stream import Stream  # few runs have one

    return rows.with_stream(Stream(before, streams, run.sampling))
