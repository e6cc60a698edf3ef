"""Arms with known values, and claims that run in a second."""

import numpy as np

from nc_testbed.core.intervals import interval
from nc_testbed.report.arm import Arm

WORLDS = {
    "coin": {
        "quick": "data=bernoulli model=bernoulli n=20 chains=300 generations=101",
        "full": "data=bernoulli model=bernoulli n=40 chains=300 generations=201",
    }
}


def arm(generations=None, alarms=(), **columns):
    """An arm whose columns are ``[R, T]``."""
    values = {name: np.asarray(column, dtype=float) for name, column in columns.items()}
    R, T = next(iter(values.values())).shape
    there = np.arange(T) if generations is None else np.asarray(generations)
    means = {name: interval(column) for name, column in values.items()}
    return Arm("arm", (), {}, ("cpu",), there, R, values, means, {}, list(alarms))


def question(**changed):
    """A question about the variance kept."""
    asked = {
        "asks": "share of the variance kept",
        "value": {"run": "replace", "column": "variance"},
        "over": 0.25,
        "holds": {"below": 0.25},
        "when": "for a coin",
    }
    return {**asked, **changed}


def claim(*questions, **changed):
    stated = {
        "sentence": "A coin retrained on its own tosses collapses.",
        "source": "derived",
        "meaning": "It keeps less than a quarter of its variance.",
        "runs": {"replace": "coin policy=replace", "real": "coin policy=real"},
        "questions": list(questions or [question()]),
        "panels": [{"column": "variance", "runs": ["replace", "real"]}],
    }
    return {**stated, **changed}
