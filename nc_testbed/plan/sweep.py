"""A sweep of k around the answer: prediction against measurement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq

from nc_testbed.core.intervals import Interval, interval, share
from nc_testbed.plan.answer import Answer
from nc_testbed.plan.exact import class_shares
from nc_testbed.plan.question import Request
from nc_testbed.plan.rule import Values
from nc_testbed.plan.tail import presence
from nc_testbed.record.directory import RunDirectory
from nc_testbed.record.tables import Trajectories
from nc_testbed.run.execute import execute
from nc_testbed.run.prepare import prepare
from nc_testbed.theory.rules import Check, mean_check

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
RELAXED = 6
"""The anchors act in about n/k generations; after six times that a start is forgotten (T5)."""
CAPS = {True: 5000, False: 60}
"""Most generations by default, of statistics and of rows."""
TELLING = 1.5
"""A prediction holds only where neither interval spans a larger factor than this."""


@dataclass(frozen=True)
class Tried:
    """One k of the sweep, at refit t = generation + 1.

    predicted, measured: root-mean-square distance from the truth. offset_*: mean change since
    generation 0. linear: whether the rule's prediction and the measurement agree. law: the mean
    squared distance against the exact law's. present: share of chains that have the rarest class.
    cut: the run ended before it was stationary. run: its directory's name.
    """

    k: int
    t: int
    predicted: Interval
    measured: Interval
    offset_predicted: Interval
    offset_measured: Interval
    linear: Literal["holds", "fails", "inconclusive"]
    law: Check | None
    present: Interval | None
    present_predicted: float | None
    cut: bool
    run: str


def sweep(asked: Request, answer: Answer, folder: Path) -> Iterator[Tried]:
    """Run every k of the sweep in a directory of its own and hold it against its prediction."""
    values = counts(answer.k or answer.measured.n, answer.measured.n)
    for i, k in enumerate(values):
        T, cut = generations(answer, k)
        print(f"\nk = {k} ({i + 1} of {len(values)}): {T} generations", flush=True)
        config = asked.config(*_overrides(asked, answer, k, T))
        name = f"k_{k}"
        execute(prepare(config), config, folder / name)
        yield compared(answer, k, T, cut, folder / name)


def counts(k: int, n: int) -> list[int]:
    """k and a half, a quarter, twice and four times of it, within 1..n.

    >>> counts(1, 100), counts(40, 100)
    ([1, 2, 4], [10, 20, 40, 80, 100])
    """
    return sorted({min(n, max(1, round(k * factor))) for factor in FACTORS})


def generations(answer: Answer, k: int) -> tuple[int, bool]:
    """Generations for a run of this k, generation 0 included, and whether they are too few."""
    measured, question = answer.measured, answer.question
    wanted = 1 + -(-RELAXED * measured.n // k)
    most = question.generations or CAPS[measured.statistics]
    if measured.reserve is not None and question.source == "fresh":
        most = min(most, 1 + measured.reserve // k)
    T = max(2, min(wanted, most))
    return T, wanted > T


def _overrides(asked: Request, answer: Answer, k: int, T: int) -> list[str]:
    measured = answer.measured
    groups = [*measured.groups]
    if measured.rows is not None and _counts_classes(answer) and "tail_mass" not in groups:
        groups.append("tail_mass")
    rows = [] if measured.rows is None else [f"evaluation.rows={measured.rows}"]
    return [
        "policy=anchor",
        f"policy.k={k}",
        f"policy.source={answer.question.source}",
        f"generations={T}",
        f"chains={measured.chains}",
        f"metrics=[{','.join(groups)}]",
        f"record.generations=[0,{T - 1}]",
        *rows,
    ]


def _counts_classes(answer: Answer) -> bool:
    """Whether the rarest class is the one that is asked about."""
    share = answer.measured.share
    return share is not None and answer.question.tail in (None, share)


def compared(answer: Answer, k: int, T: int, cut: bool, path: Path) -> Tried:
    """A finished run against its prediction at its own last generation."""
    runs = Trajectories.of(pq.read_table(path / "metrics.parquet"))
    first, last = runs.values[answer.measured.metric][:, [0, -1]].T
    measured = answer.measured
    truth = measured.x0.mean() if measured.truth is None else measured.truth
    squares = (last - truth) ** 2
    seen = measured.own_noise * (1 if measured.truth is None else 2)  # the truth is measured too
    found = _root(interval(squares - seen))
    sure, rule = answer.sure, answer.rule
    predicted = _interval(float(rule.distance(k, T)), sure.distance(k, T), measured.chains)
    offset = _interval(float(rule.offset(k, T)), sure.offset(k, T), measured.chains)
    present = _presence(answer, runs, path, T)
    share = measured.share
    return Tried(
        k=k,
        t=T,
        predicted=predicted,
        measured=found,
        offset_predicted=offset,
        offset_measured=interval(last - first),
        linear=agreement(predicted, found),
        law=_held(answer, squares, k, T),
        present=present,
        present_predicted=None
        if present is None or share is None
        else presence(k, measured.n, share),
        cut=cut,
        run=path.name,
    )


def agreement(predicted: Interval, measured: Interval) -> Literal["holds", "fails", "inconclusive"]:
    """Fails where the 95% intervals are apart; holds where they meet and both are telling.

    >>> one, wide = Interval.of(1.0, 0.9, 1.1, 9), Interval.of(2.0, 0.5, 9.0, 9)
    >>> agreement(one, one), agreement(one, wide), agreement(Interval.of(3.0, 2.9, 3.1, 9), one)
    ('holds', 'inconclusive', 'fails')
    """
    ends = [float(end) for ci in (predicted, measured) for end in (ci.low, ci.high)]
    if not np.isfinite(ends).all():
        return "inconclusive"
    if ends[1] < ends[2] or ends[3] < ends[0]:
        return "fails"
    telling = ends[1] <= TELLING * ends[0] and ends[3] <= TELLING * ends[2]
    return "holds" if telling else "inconclusive"


def _held(answer: Answer, squares: Values, k: int, T: int) -> Check | None:
    """The mean squared distance against the exact law; a heavy tail's squares have no mean."""
    law = answer.law
    if law is None or law.law.c > 0:
        return None
    return mean_check(squares, law.at(T, k))


def _presence(answer: Answer, runs: Trajectories, path: Path, T: int) -> Interval | None:
    """Share of chains that still have the rarest class: in the fit of a family, else among the
    samples that the referee is sure of."""
    if not _counts_classes(answer):
        return None
    if answer.measured.statistics:
        shares = class_shares(RunDirectory(path).weights(T - 1))
        there = np.zeros(0) if shares is None else shares[:, answer.measured.rarest] > 0
    else:
        ranks = [name for name in runs.values if name.startswith("mass_rank_")]
        if not ranks:
            return None
        rarest = max(ranks, key=lambda name: int(name.rpartition("_")[2]))
        there = runs.values[rarest][:, -1] > 0
    return share(int(there.sum()), len(there))


def _root(squares: Interval) -> Interval:
    """The interval of a mean square as that of its root."""
    low = np.sqrt(np.maximum(squares.low, 0.0))
    mean, high = (np.sqrt(np.maximum(end, 0.0)) for end in (squares.mean, squares.high))
    return Interval(mean, low, high, squares.chains)


def _interval(value: float, draws: Values, chains: int) -> Interval:
    low, high = np.quantile(np.broadcast_to(draws, (len(draws),)), [0.025, 0.975])
    return Interval.of(value, low, high, chains)
