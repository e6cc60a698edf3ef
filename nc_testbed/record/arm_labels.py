"""What runs that are compared are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nc_testbed.record.summary import settings

UNLABELLED = ("seed", "chains", "generations", "device")
"""Settings that no label names."""


def labels(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The policy of each run, and whichever settings but the seed tell runs of it apart.

    >>> first = {"name": {"policy": "anchor"}, "policy": {"k": 1}, "seed": 0}
    >>> labels([first, {**first, "policy": {"k": 9}}, {**first, "seed": 1}])
    ['anchor k=1', 'anchor k=9', 'anchor k=1']
    """
    flat = [dict(settings(config)) for config in configs]
    return [_label(config, flat) for config in flat]


def _label(config: dict[str, Any], configs: Sequence[dict[str, Any]]) -> str:
    """A run's policy, and its settings that other runs of the policy have not."""
    alike = [other for other in configs if other["policy"] == config["policy"]]
    keys = [k for k, v in config.items() if any(other.get(k, v) != v for other in alike)]
    differing = [f"{k.rpartition('.')[2]}={config[k]}" for k in keys if k not in UNLABELLED]
    return " ".join([config["policy"], *differing])
