"""Arms and comparisons of given numbers."""

import numpy as np
from fabricated import described

from nc_testbed.record.chain_statistics import ChainStatistics
from nc_testbed.report.arm import Arm
from nc_testbed.report.comparison import Comparison

FACTS = {"event": [1], "columns": described().as_record()}


def arm(policy, values, *, label=None, seed=0, laws=None, alarms=(), **settings):
    """An arm of ``{metric: [R, T]}`` with settings of its policy."""
    x = {name: np.array(v, dtype=np.float64) for name, v in values.items()}
    R, T = next(iter(x.values())).shape
    config = {"name": {"data": "d", "model": "m", "policy": policy}, "model": {}, "seed": seed}
    return Arm(
        label=label or " ".join([policy, *(f"{k}={v}" for k, v in settings.items())]),
        folders=(),
        config=config | {"policy": settings, "n": 100, "facts": FACTS},
        devices=("cpu",),
        generations=np.arange(T),
        chains=R,
        values=x,
        means=ChainStatistics(described()).intervals(x),
        laws=laws or {},
        alarms=list(alarms),
        paired_by=tuple((seed, i) for i in range(R)),
    )


def comparison(*arms, judged_by="tail_coverage"):
    last = int(arms[0].generations[-1])
    return Comparison("d", arms, tuple(arms[0].means), judged_by, 0, last)
