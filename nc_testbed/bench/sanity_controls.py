"""What the controls of long-tailed MNIST read, under our metrics and others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nc_testbed.bench.clipped_scores import ClippedScores
from nc_testbed.data.mnist import Mnist
from nc_testbed.metrics.confusion import Confusion
from nc_testbed.metrics.coverage import Coverage
from nc_testbed.metrics.evaluation import Metric, Reference
from nc_testbed.metrics.fidelity import Fidelity
from nc_testbed.metrics.matched_coverage import MatchedCoverage
from nc_testbed.metrics.novelty import Novelty
from nc_testbed.metrics.precision import Precision
from nc_testbed.metrics.recall import Recall
from nc_testbed.metrics.referee_store import referee_for
from nc_testbed.metrics.tail_ratio import TailRatio
from nc_testbed.metrics.tstr import TSTR
from nc_testbed.metrics.two_sample import TwoSample
from nc_testbed.run.control_values import ControlRuler
from nc_testbed.run.prepare import evaluation_rows

CHAINS = 10
"""Every rarity rotation once."""
METRICS: dict[str, Metric] = {
    "matched_coverage": MatchedCoverage(),
    "fidelity": Fidelity(),
    "two_sample": TwoSample(),
    "tstr": TSTR(),
    "novelty": Novelty(),
    "tail_ratio": TailRatio(),
    "confusion": Confusion(),
    "clipped": ClippedScores(),
    "coverage": Coverage(),
    "recall": Recall(),
    "precision": Precision(),
}


def measure_controls(
    chains: int = CHAINS, say: Callable[[str], Any] = print
) -> dict[str, dict[str, list[float]]]:
    """``{control: {column: values of the chains}}`` of ``data=mnist_lt`` at its
    defaults."""
    source = Mnist(rows=2500, imbalance_ratio=10, test_rows=400, reserve=0.2, binarize=True)
    data = source.load(chains, seed=0, fresh=0, generations=1)
    reference = Reference.build(data, referee_for(data, say), evaluation_rows(data))
    ruler = ControlRuler.of(reference, METRICS, say)
    controls = {}
    for name in ruler.names:
        columns = ruler.measure(name)
        controls[name] = {column: values.tolist() for column, values in columns.items()}
        say(name)
    return controls
