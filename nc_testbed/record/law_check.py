"""A run's metrics held against the laws that they follow."""

from __future__ import annotations

import dataclasses

import numpy as np

from nc_testbed.laws.law import ExactLaw
from nc_testbed.record.tables import Trajectories
from nc_testbed.theory.rules import Check, mean_check, share_check

RARE = 10
"""A mean's distance from rest is not judged where fewer chains than this could carry
it."""


def law_check(runs: Trajectories, name: str, expected: ExactLaw, t: int) -> Check:
    """The metric's mean against its law at position t of the recorded generations.

    Inconclusive where a chain has no finite value: a law is about all chains.
    """
    ci = runs.intervals[name][t]
    R = runs.chains
    g = int(runs.generations[t])
    mean = float(ci.mean)
    value = float(expected.values[g])
    if int(ci.chains) < R or not np.isfinite(value):
        return Check(value, mean, np.nan, np.nan, "inconclusive")
    if expected.share:
        return share_check(round(mean * R), R, min(max(value, 0.0), 1.0))
    sd = None if expected.sd is None or np.isnan(expected.sd[g]) else float(expected.sd[g])
    check = mean_check((mean, float(runs.sds[name][t]), R), value, expected.scale, sd)
    # What a handful of chains carries is Poisson, and its sample deviation says nothing.
    gaps = [max(abs(value - r), abs(mean - r)) for r in expected.resting]
    rare = any(R * gap < RARE * expected.unit for gap in gaps)
    return dataclasses.replace(check, z=np.nan, verdict="inconclusive") if rare else check
