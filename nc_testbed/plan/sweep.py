"""A sweep of k around the answer: prediction against measurement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq

from nc_testbed.core.intervals import Interval, interval, share
from nc_testbed.plan.anchored_law import class_shares
from nc_testbed.plan.answer import Answer
from nc_testbed.plan.question import Request
from nc_testbed.plan.rule import Values
from nc_testbed.plan.tail_class import presence
from nc_testbed.record.directory import RunDirectory
from nc_testbed.record.tables import Trajectories
from nc_testbed.run.execute import execute
from nc_testbed.run.prepare import prepare
from nc_testbed.theory.rules import Check, mean_check

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
RELAXED = 6
"""The anchors act in about n/k generations; after six times that a start is forgotten
(T5)."""
CAPS = {True: 5000, False: 60}
"""Most generations by default, of statistics and of rows."""
TELLING = 1.5
"""A prediction holds only where neither interval spans a larger factor than this."""
Agreement = Literal["holds", "fails", "inconclusive"]


@dataclass(frozen=True)
class SweepPoint:
    """One k of the sweep, at refit t = generation + 1.

    predicted, measured: root-mean-square distance from the truth. offset_*: mean change
    since generation 0. linear: whether the rule's prediction and the measurement agree.
    law: the mean squared distance against the exact law's. present: share of chains that
    have the rarest class. is_cut: the run ended before it was stationary. run: its
    directory's name.
    """

    k: int
    t: int
    predicted: Interval
    measured: Interval
    offset_predicted: Interval
    offset_measured: Interval
    linear: Agreement
    law: Check | None
    present: Interval | None
    present_predicted: float | None
    is_cut: bool
    run: str


def sweep_k(request: Request, answer: Answer, folder: Path) -> Iterator[SweepPoint]:
    """Run every k of the sweep in a directory of its own and hold it against its
    prediction."""
    ks = ks_around(answer.k or answer.measured.n, answer.measured.n)
    for i, k in enumerate(ks):
        T, is_cut = run_length(answer, k)
        print(f"\nk = {k} ({i + 1} of {len(ks)}): {T} generations", flush=True)
        config = request.config(*_overrides(answer, k, T))
        path = folder / f"k_{k}"
        execute(prepare(config), config, path)
        yield compare_run(answer, k, T, is_cut, path)


def ks_around(k: int, n: int) -> list[int]:
    """k and a half, a quarter, twice and four times of it, within 1..n.

    >>> ks_around(1, 100), ks_around(40, 100)
    ([1, 2, 4], [10, 20, 40, 80, 100])
    """
    return sorted({min(n, max(1, round(k * factor))) for factor in FACTORS})


def run_length(answer: Answer, k: int) -> tuple[int, bool]:
    """Generations for a run of this k, generation 0 included, and whether they are too
    few."""
    measured = answer.measured
    question = answer.question
    enough = 1 + -(-RELAXED * measured.n // k)
    most = question.generations or CAPS[measured.statistics]
    if measured.reserve is not None and question.source == "fresh":
        most = min(most, 1 + measured.reserve // k)
    T = max(2, min(enough, most))
    return T, enough > T


def compare_run(answer: Answer, k: int, T: int, is_cut: bool, path: Path) -> SweepPoint:
    """A finished run against its prediction at its own last generation."""
    measured = answer.measured
    chains = Trajectories.of(pq.read_table(path / "metrics.parquet"))
    first, last = chains.values[measured.metric][:, [0, -1]].T
    squares, distance = _measured_distance(answer, last)
    predicted = _predict(
        answer.rule.distance(k, T), answer.sure.distance(k, T), measured.chains
    )
    present = _presence(answer, chains, path, T)
    present_predicted = None
    if present is not None and measured.share is not None:
        present_predicted = presence(k, measured.n, measured.share)
    return SweepPoint(
        k=k,
        t=T,
        predicted=predicted,
        measured=distance,
        offset_predicted=_predict(
            answer.rule.offset(k, T), answer.sure.offset(k, T), measured.chains
        ),
        offset_measured=interval(last - first),
        linear=agreement(predicted, distance),
        law=_law_check(answer, squares, k, T),
        present=present,
        present_predicted=present_predicted,
        is_cut=is_cut,
        run=path.name,
    )


def agreement(predicted: Interval, measured: Interval) -> Agreement:
    """Fails where the 95% intervals are apart; holds where they meet and both are
    telling.

    >>> narrow, wide = Interval.of(1.0, 0.9, 1.1, 9), Interval.of(2.0, 0.5, 9.0, 9)
    >>> agreement(narrow, narrow), agreement(narrow, wide)
    ('holds', 'inconclusive')
    >>> agreement(Interval.of(3.0, 2.9, 3.1, 9), narrow)
    'fails'
    """
    intervals = (predicted, measured)
    if not all(np.isfinite([ci.low, ci.high]).all() for ci in intervals):
        return "inconclusive"
    if predicted.high < measured.low or measured.high < predicted.low:
        return "fails"
    is_telling = all(float(ci.high) <= TELLING * float(ci.low) for ci in intervals)
    return "holds" if is_telling else "inconclusive"


def _overrides(answer: Answer, k: int, T: int) -> list[str]:
    """What a verifying run changes in the user's settings."""
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
    """Whether the rarest class is the one that the question is about."""
    share = answer.measured.share
    return share is not None and answer.question.tail in (None, share)


def _measured_distance(answer: Answer, last: Values) -> tuple[Values, Interval]:
    """Squared distances ``[R]`` from the truth, and the root of their mean with its
    interval, the metric's own noise taken out."""
    measured = answer.measured
    is_known = measured.truth is not None
    truth = measured.truth if is_known else measured.x0.mean()
    squares = (last - truth) ** 2
    noise = measured.own_noise * (2 if is_known else 1)  # the truth is measured with noise too
    return squares, _root(interval(squares - noise))


def _law_check(answer: Answer, squares: Values, k: int, T: int) -> Check | None:
    """The mean squared distance against the exact law; a heavy tail's squares have no
    mean."""
    law = answer.law
    if law is None or law.law.c > 0:
        return None
    return mean_check(squares, law.at(T, k))


def _presence(answer: Answer, chains: Trajectories, path: Path, T: int) -> Interval | None:
    """Share of chains that still have the rarest class: in the fit of a family, else
    among the samples that the referee is sure of."""
    if not _counts_classes(answer):
        return None
    if answer.measured.statistics:
        shares = class_shares(RunDirectory(path).weights(T - 1))
        is_present = np.zeros(0) if shares is None else shares[:, answer.measured.rarest] > 0
    else:
        ranks = [name for name in chains.values if name.startswith("mass_rank_")]
        if not ranks:
            return None
        rarest = max(ranks, key=lambda name: int(name.rpartition("_")[2]))
        is_present = chains.values[rarest][:, -1] > 0
    return share(int(is_present.sum()), len(is_present))


def _root(squares: Interval) -> Interval:
    """The interval of a mean square as that of its root."""
    low = np.sqrt(np.maximum(squares.low, 0.0))
    mean, high = (np.sqrt(np.maximum(value, 0.0)) for value in (squares.mean, squares.high))
    return Interval(mean, low, high, squares.chains)


def _predict(value: Values, draws: Values, chains: int) -> Interval:
    """A prediction with the 95% interval of equally likely ones."""
    low, high = np.quantile(np.broadcast_to(draws, (len(draws),)), [0.025, 0.975])
    return Interval.of(float(value), low, high, chains)
