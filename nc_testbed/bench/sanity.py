"""Which metric passes which sanity check."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nc_testbed.bench.clipped_scores import ClippedScores
from nc_testbed.bench.sanity_checks import CHECKS, SanityCheck, Scene
from nc_testbed.bench.sanity_rules import Demand
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.source import Data
from nc_testbed.metrics.coverage import Coverage
from nc_testbed.metrics.evaluation import Evaluation, Metric, Reference
from nc_testbed.metrics.fidelity import Fidelity
from nc_testbed.metrics.frechet import Frechet
from nc_testbed.metrics.kid import KID
from nc_testbed.metrics.matched_coverage import MatchedCoverage
from nc_testbed.metrics.novelty import Novelty
from nc_testbed.metrics.precision import Precision
from nc_testbed.metrics.recall import Recall
from nc_testbed.metrics.referee import Plain
from nc_testbed.metrics.spread import DIRECTIONS, Spread
from nc_testbed.metrics.two_sample import TwoSample
from nc_testbed.metrics.vendi import Vendi

DRAWS = 5
"""Scenes of every point; a verdict is of their means."""
METRICS: tuple[Metric, ...] = (
    Precision(),
    Recall(),
    Coverage(),
    ClippedScores(),
    Fidelity(),
    MatchedCoverage(),
    TwoSample(),
    Frechet(),
    KID(),
    Vendi(),
    Spread(),
    Novelty(),
)


def _identity(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


def closeness(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances over the largest of the check, turned round: 1 where there is none.

    >>> closeness(np.array([0.0, 1.0, 4.0]))
    array([1.  , 0.75, 0.  ])
    """
    return 1 - distances / np.nanmax(np.abs(distances))


def deviation_ratio(log_dets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviations over the real ones, geometric mean over 8 directions."""
    return np.exp(log_dets / (2 * DIRECTIONS))


@dataclass(frozen=True)
class Subject:
    """One column under check: of which kind it is, and how it is read as a score."""

    kind: str
    read: Callable[[NDArray[np.float64]], NDArray[np.float64]] = _identity


SUBJECTS: dict[str, Subject] = {
    "fidelity": Subject("fidelity"),
    "fidelity_untrained": Subject("fidelity"),
    "clipped_density": Subject("fidelity"),
    "precision": Subject("fidelity"),
    "density": Subject("fidelity"),
    "matched_coverage": Subject("diversity"),
    "clipped_coverage": Subject("diversity"),
    "coverage": Subject("diversity"),
    "recall": Subject("diversity"),
    "two_sample": Subject("both"),
    "frechet": Subject("distance", closeness),
    "kid": Subject("distance", closeness),
    "vendi": Subject("spread"),
    "log_spread": Subject("spread", deviation_ratio),
    "memorised": Subject("novelty"),
}
Values = dict[str, dict[str, list[float]]]
"""Of one check: ``{case: {column: values along the points}}``."""


@dataclass(frozen=True)
class Outcome:
    """Whether a metric meets a check, and the first demand that it does not meet.

    is_met: None where the check asks nothing of the metric's kind.
    """

    is_met: bool | None
    failure: str = ""


def run_check(name: str, draws: int = DRAWS, metrics: Iterable[Metric] = METRICS) -> Values:
    """Means over so many draws of every column along a check's points.

    The same for ever, whatever other checks are made.
    """
    check = CHECKS[name]
    metrics = list(metrics)
    values: Values = {}
    for case, make in check.cases.items():
        columns: dict[str, list[float]] = {}
        for point in check.points:
            purpose = f"sanity/{name}/{case}/{point}"
            streams = [RandomStreams(0, (draw,)) for draw in range(draws)]
            scenes = [make(stream(purpose), point) for stream in streams]
            records = [measure_scene(scene, metrics) for scene in scenes]
            for column in SUBJECTS.keys() & records[0].keys():
                mean = float(np.mean([record[column] for record in records]))
                columns.setdefault(column, []).append(mean)
        values[case] = columns
    return values


def measure_scene(scene: Scene, metrics: Iterable[Metric]) -> dict[str, float]:
    """Every column of these metrics for samples that nothing but their rows is known of."""
    N, D = scene.training.shape
    data = Data(
        name="sanity",
        space=Space((D,), image=False),
        x=scene.training[None],
        training=torch.arange(N)[None],
        reserve=torch.zeros(1, 0, dtype=torch.int64),
        held_out=scene.real,
    )
    reference = Reference.build(data, Plain(), len(scene.samples))
    evaluation = Evaluation(None, scene.samples[None], reference, reference.streams)
    record: dict[str, float] = {}
    with one_thread():
        for metric in metrics:
            columns = metric.measure(evaluation)
            record |= {name: float(value[0]) for name, value in columns.items()}
    return record


def outcome_of(check: SanityCheck, values: Values, column: str) -> Outcome:
    """Whether a column meets all that a check asks of its kind, in every case."""
    subject = SUBJECTS[column]
    is_judged = False
    for case in check.cases:
        score = subject.read(np.array(values[case][column]))
        for rule in check.rules_of(subject.kind, case):
            is_judged = True
            if not _meets(rule, score.tolist()):
                return Outcome(False, say_rule(check, rule, case))
    return Outcome(True if is_judged else None)


def _meets(rule: Demand, values: list[float]) -> bool:
    return all(math.isfinite(value) for value in values) and rule.holds(values)


def say_rule(check: SanityCheck, rule: Demand, case: str) -> str:
    """A demand in words, with the points as numbers."""
    says = rule.says
    for i in range(-1, len(check.points)):
        says = says.replace(f"{{{i}}}", f"{check.points[i]:g}")
    return f"{says} ({case})" if case else says


def run_checks(draws: int = DRAWS, say: Callable[[str], Any] = print) -> dict[str, Values]:
    """Every check's values, by its name."""
    results = {}
    for name in CHECKS:
        results[name] = run_check(name, draws)
        say(name)
    return results


def verdicts(results: Mapping[str, Values]) -> dict[str, dict[str, Outcome]]:
    """``{column: {check: verdict}}``."""
    return {
        column: {
            name: outcome_of(CHECKS[name], values, column) for name, values in results.items()
        }
        for column in SUBJECTS
    }
