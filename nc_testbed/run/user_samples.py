"""A user's samples under the metrics of a run, with controls beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.data.chain_of_data import data_of_chain
from nc_testbed.data.samples import UserRows, read_user_rows, store_user_rows
from nc_testbed.data.source import Data
from nc_testbed.metrics.column import Columns
from nc_testbed.metrics.control_rows import RUN_CONTROLS, Sample
from nc_testbed.metrics.evaluation import Reference
from nc_testbed.metrics.referee_store import referee_for
from nc_testbed.record.floors import floor_refusal
from nc_testbed.run.control_table import control_line, header_line, table_columns
from nc_testbed.run.control_values import (
    ControlRuler,
    ControlValues,
    Summary,
    few_rows,
    measure_rows,
)
from nc_testbed.run.ruler import Gauge, prepare_ruler

FEWEST = 20
"""The fewest rows that are measured."""


@dataclass(frozen=True)
class SampleRequest:
    """samples, train: files. chain: whose law the samples are of, and whether it was
    given."""

    samples: str
    train: str | None
    chain: int
    chain_given: bool


def measure_samples(
    config: Mapping[str, Any], request: SampleRequest, say: Callable[[str], None]
) -> Summary:
    """``{samples: {column: [low, mean, high]}}`` and the same of the controls, printed.

    Raises BadInput where the files do not hold rows of these data.
    """
    ruler = prepare_ruler({**config, "chains": 1})
    samples = read_user_rows("samples", request.samples, ruler.source, ruler.data)
    train = None
    if request.train is not None:
        train = read_user_rows("train", request.train, ruler.source, ruler.data)
        _check_train(samples, train, request.train)
    R = len(samples.x)
    remedy = f"x has an axis of {R} chains, which are 0 to {R - 1}: leave it out"
    numbered = samples.has_chains and request.chain_given
    require(not numbered, "chain", request.chain, remedy)
    chains = R if samples.has_chains else request.chain + 1
    ruler = prepare_ruler({**config, "chains": chains})
    ruler = _limit_rows(ruler, samples, request, say)
    # Before one chain is taken out: of some laws the referee learns from the first chain's.
    referee = referee_for(ruler.data, say).to(ruler.data.x.device)
    numbers = tuple(range(R))
    if not samples.has_chains:
        ruler = dataclasses.replace(ruler, data=data_of_chain(ruler.data, request.chain))
        numbers = (request.chain,)
    reference = Reference.build(ruler.data, referee, ruler.rows, numbers)
    rows = _to_stored(samples, ruler, reference.streams, say)
    y = None if samples.y is None else torch.from_numpy(samples.y).to(rows.device)
    sample = _pick(Sample(rows, y), ruler.rows, reference.streams)
    trained = None if train is None else _to_stored(train, ruler, reference.streams, say)
    return _measure(sample, trained, ruler, reference, say)


def _check_train(samples: UserRows, train: UserRows, path: str) -> None:
    """Refuse training rows of other chains than the samples are of."""
    R = len(samples.x)
    agree = len(train.x) in (1, R)
    require(agree, "train", path, f"has {len(train.x)} chains and the samples have {R}")


def _limit_rows(
    ruler: Gauge, samples: UserRows, request: SampleRequest, say: Callable[[str], None]
) -> Gauge:
    """The ruler for as many rows as are to be measured: those asked for, else as a run
    measures, else all there are."""
    M = samples.x.shape[1]
    require(M >= FEWEST, "samples", request.samples, f"has {M} rows: give {FEWEST} or more")
    requested = ruler.settings.evaluation.rows
    require(
        requested is None or requested <= M,
        "evaluation.rows",
        requested,
        f"x has {M} rows a chain",
    )
    if ruler.rows < M:
        say(f"measured on {ruler.rows} of {M} rows, as in a run: evaluation.rows={M} takes all")
    elif ruler.rows > M:
        say(f"measured on {M} rows, a run measures {ruler.rows}: compare at equal numbers only")
    return dataclasses.replace(ruler, rows=min(M, ruler.rows))


def _to_stored(
    rows: UserRows, ruler: Gauge, streams: RandomStreams, say: Callable[[str], None]
) -> Tensor:
    """The rows ``[R, M, D]`` as the data's own are stored, on their device."""
    host = RandomStreams(streams.seed, streams.chains).enter_scope("samples")
    x, is_drawn = store_user_rows(rows.x, ruler.source, ruler.data, host)
    if is_drawn:
        say("pixels between 0 and 255 are drawn as one of them, as those of the data were")
    return torch.from_numpy(x).to(ruler.data.x.device)


def _pick(sample: Sample, size: int, streams: RandomStreams) -> Sample:
    """As many rows of every chain, at random but fixed, with their classes."""
    M = sample.rows.shape[1]
    if size == M:
        return sample
    order = streams.enter_scope("samples")("order").permutation(M)[:, :size]
    chains = torch.arange(len(order), device=order.device)[:, None]
    labels = None if sample.labels is None else sample.labels[chains, order]
    return Sample(sample.rows[chains, order], labels)


def _measure(
    sample: Sample,
    trained: Tensor | None,
    ruler: Gauge,
    reference: Reference,
    say: Callable[[str], None],
) -> Summary:
    """Samples and controls, each printed as it is measured."""
    columns = Columns.declared_by(ruler.metrics.values())
    controls = ControlRuler.of(reference, ruler.metrics, say)
    training = None
    if trained is not None:
        training = _training_set(trained, ruler.data, len(sample.rows))
    values = measure_rows(sample, reference, ruler.metrics, say, training)
    measured = {"samples": {name: value.numpy() for name, value in values.items()}}
    summary = ControlValues(measured, reference.rows).summary(columns)
    names = table_columns(columns, values)
    print(header_line(names, "rows"))
    print(control_line("your samples", names, summary["samples"]), flush=True)
    for control in controls.names and RUN_CONTROLS:
        summary |= controls.measure_each([control]).summary(columns)
        if control in summary:
            print(control_line(control, names, summary[control]), flush=True)
    size = controls.controls.size
    if size < reference.rows:
        say(few_rows(size, reference.rows))
    headline = columns.headline(names)
    refusal = None if headline is None else floor_refusal(summary, headline)
    if refusal is not None:
        say(refusal)
    return summary


def _training_set(rows: Tensor, data: Data, chains: int) -> TrainingSet:
    """What the user's model was trained on, ``[R, n, D]``, or ``[1, n, D]`` for all
    chains."""
    position = torch.arange(rows.shape[1], device=rows.device).expand(chains, -1)
    none = rows.new_empty(chains, 0, rows.shape[2])
    origin = torch.zeros(1, dtype=torch.int64, device=rows.device)
    return TrainingSet(data.space, rows, none, position, origin)
