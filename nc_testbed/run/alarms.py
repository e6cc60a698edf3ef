"""The alarms of a run, from its stored columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nc_testbed.alarm import ALPHA, alarm
from nc_testbed.run.tables import Trajectories

Array = NDArray[np.float64]


def alarms(runs: Trajectories, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """When every chain was first seen to have lost its rare classes, one entry per kind of hit.

    ``on``: "accepted rows" (synthetic rows that count for the class, see
    :class:`nc_testbed.metrics.tail_mass.TailMass`) or "manifold hits" (its held-out rows inside a
    synthetic ball, see :class:`nc_testbed.metrics.recall.Recall`). ``alpha``: most healthy chains
    alarmed, a guarantee for accepted rows (see :func:`nc_testbed.alarm.alarm`). It is none for
    manifold hits: every generation meets the same held-out rows, and one ball holds many of
    them. Measured on samples of the true law of three Gaussian classes (100 held-out rows each,
    10 to 100 samples of the rarest, 10 generations), their variance is 1.2 to 4.2 times the
    Binomial's. Tested against their own mean share 2% to 30% of chains are alarmed; against
    half of it, which is what is done here, 0 of 2,000.

    Healthy means that every fit keeps half of what the first one had. A cold-started fit that
    misses a class in one generation is an alarm though a later one finds it again: of chains of
    8-component mixtures refitted to the same rows (policy=real, the ring with imbalance 20), 12
    of 40 on accepted rows and none on manifold hits; with 16 components or warm starts none.

    ``tail_ranks``: the classes watched. ``generation``: of every chain's alarm, null = none.
    ``alarmed``: chains with one. ``median``: over all chains, null where half have none.

    Empty where no class is rare, where not every generation was recorded for every chain, and
    for the kinds whose metric was not measured.
    """
    steps = np.arange(int(config["generations"]))
    if len(steps) < 2 or not np.array_equal(runs.generations, steps):
        return []
    facts = config.get("facts", {})
    kinds = (
        ("accepted rows", "tail_mass", "accepted", facts.get("evaluation_rows"), False),
        ("manifold hits", "tail_recall", "recall", _held_out(facts), True),
    )
    found = []
    for on, tailed, column, trials, shares in kinds:
        ranks = _tail_ranks(runs, column) if tailed in runs.values else []
        if not ranks or trials is None:
            continue
        hits = np.stack([runs.values[f"{column}_rank_{i}"] for i in ranks], 2)  # [R, T, tail]
        M = np.broadcast_to(trials, (runs.chains, ranks[-1] + 1))[:, ranks]
        hits = np.rint(hits * M[:, None]) if shares else hits
        if np.isfinite(hits).all():
            found.append({"on": on, "alpha": ALPHA, "tail_ranks": ranks} | _when(alarm(hits, M)))
    return found


def _when(generation: Array) -> dict[str, Any]:
    rung = np.isfinite(generation)
    median = float(np.median(generation))
    return {
        "generation": [int(g) if np.isfinite(g) else None for g in generation],
        "alarmed": int(rung.sum()),
        "median": median if np.isfinite(median) else None,
    }


def _tail_ranks(runs: Trajectories, column: str) -> list[int]:
    """The rarest third of the classes, as :func:`nc_testbed.metrics.evaluation.rank_columns`."""
    C = sum(name.startswith(f"{column}_rank_") for name in runs.values)
    return list(range(C - max(1, C // 3), C)) if C else []


def _held_out(facts: Mapping[str, Any]) -> Array | None:
    """Held-out rows of the class of every rank, ``[R, C]``."""
    if "held_out_rows" not in facts:
        return None
    return np.array(facts["held_out_rows"])[np.array(facts["rank_to_class"])]
