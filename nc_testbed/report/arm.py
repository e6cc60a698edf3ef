"""Which runs of a grid belong together, and which say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nc_testbed.core.errors import require
from nc_testbed.record.summary import settings
from nc_testbed.report.compare import Arm, labels


def setting(arm: Arm, key: str) -> Any:
    """The value of a dotted key such as ``policy.k``, ``n``, ``data`` or ``policy`` (their names);
    None where the arm has no such key."""
    return dict(settings(arm.config)).get(key)


def grouped(arms: Sequence[Arm], key: str | None) -> dict[Any, list[Arm]]:
    """Arms by the value of a setting, in the order they come; all of them where key is None.

    Raises BadInput for a key that no arm has.
    """
    known = [name for arm in arms for name, _ in settings(arm.config)]
    require(key is None or key in known, "figure", key, "name a setting such as data or policy.k")
    groups: dict[Any, list[Arm]] = {}
    for arm in arms:
        groups.setdefault(None if key is None else setting(arm, key), []).append(arm)
    return groups


def distinct(arms: Sequence[Arm]) -> list[Arm]:
    """The arms, less those that repeat an earlier one, with labels that tell these apart.

    A sweep is a grid, and a setting may change nothing beside others (the source of no real
    row): such runs are the same to the last bit.
    """
    kept: list[Arm] = []
    for arm in arms:
        if not any(_same(arm, other) for other in kept):
            kept.append(arm)
    names = labels([arm.config for arm in kept])
    return [replace(arm, label=name) for arm, name in zip(kept, names, strict=True)]


def _same(a: Arm, b: Arm) -> bool:
    if a.means.keys() != b.means.keys() or not np.array_equal(a.generations, b.generations):
        return False
    return all(np.array_equal(a.means[k].mean, b.means[k].mean, equal_nan=True) for k in a.means)
