"""The alarms of a run, from its stored columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nc_testbed.metrics.alarm import ALPHA, Watch, alarm
from nc_testbed.record.tables import Trajectories

Array = NDArray[np.float64]
LISTED = 50
"""Most chains named one by one where people read."""
MEANING = """A chain is alarmed when its rare classes are first seen to have less than half of
what they had at generation 0: of *accepted rows*, samples that count for such a class (at most 5%
of healthy chains are alarmed, if their fits are alike), or of *matched rows*, its held-out rows
that samples still cover (no guarantee)."""


def alarms(runs: Trajectories, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """When every chain was first seen to have lost its rare classes, one entry per kind
    of hit.

    ``on``: "accepted rows" (synthetic rows that count for the class, see
    :class:`nc_testbed.metrics.tail_mass.TailMass`) or "matched rows" (its held-out rows
    matched with a sample, see
    :class:`nc_testbed.metrics.matched_coverage.MatchedCoverage`). ``alpha``: most healthy
    chains alarmed, a guarantee for accepted rows where all fits are alike (see
    :func:`nc_testbed.metrics.alarm.alarm`). It is none for matched rows: every generation
    meets the same held-out rows. Measured on samples of the true law of three Gaussian
    classes (100 rows to be covered, 10 to 100 samples of the rarest, 440 generations),
    their variance is 0.8 to 1.04 times the Binomial's; 0 of 360 chains were alarmed.

    Healthy means that every fit keeps half of what the first one had. Fits that differ
    are alarmed more often: where the accepted share varies from fit to fit with a
    log-normal coefficient of variation of 0.6, 10% to 44% of chains (simulated). A
    cold-started fit that misses a class in one generation is an alarm though a later one
    finds it again: of chains of 8-component mixtures refitted to the same rows
    (policy=real, the ring with imbalance 20), 12 of 40 on accepted rows; with 16
    components or warm starts none.

    ``tail_ranks``: the classes watched. ``generation``: of every chain's alarm, null =
    none. ``alarmed``: chains with one. ``median``: over all chains, null where half have
    none.

    Empty where no class is rare, where not every generation was recorded for every chain,
    and for the kinds whose metric was not measured.
    """
    steps = np.arange(int(config["generations"]))
    if len(steps) < 2 or not np.array_equal(runs.generations, steps):
        return []
    alarmed = []
    for on, (ranks, hits, M) in _hits(runs.values, runs.chains, config).items():
        if np.isfinite(hits).all():
            alarmed.append(
                {"on": on, "alpha": ALPHA, "tail_ranks": ranks} | _when(alarm(hits, M))
            )
    return alarmed


class Following:
    """:func:`alarms` as a run goes on, at the same cost for every generation.

    config: the resolved settings.
    """

    def __init__(self, config: Mapping[str, Any]):
        self._config = config
        self._L = int(config["generations"]) - 1
        rows = config["record"]["chains"] == "rows"
        self._next = 0 if rows and self._L > 0 else None
        self._watches: dict[str, Watch] = {}

    def see(self, generation: int, values: Mapping[str, Array]) -> dict[str, Array]:
        """After one more generation: when each chain was alarmed, ``{kind: [R]}``, inf =
        not yet.

        values: ``{metric: [R]}``. A kind ends where it is undefined, both do where a
        generation is left out.
        """
        hits: dict[str, tuple[Array, Array]] = {}
        if generation == self._next:
            columns = {name: x[:, None] for name, x in values.items()}
            kinds = _hits(columns, len(next(iter(values.values()), ())), self._config)
            hits = {on: (K[:, 0], M) for on, (_, K, M) in kinds.items() if np.isfinite(K).all()}
        if generation == 0:
            self._watches = {on: Watch(K, M, self._L) for on, (K, M) in hits.items()}
        else:
            self._watches = {on: watch for on, watch in self._watches.items() if on in hits}
            for on, watch in self._watches.items():
                watch.see(hits[on][0])
        self._next = generation + 1 if hits else None
        return {on: watch.first for on, watch in self._watches.items()}


def alarm_table(rung: Mapping[str, Array]) -> str:
    """What :class:`Following` knows, as a table in Markdown.

    >>> print(alarm_table({"matched rows": np.array([3.0, np.inf, 2.0])}).splitlines()[2])
    | matched rows | 2 of 3 | 2 | 3 | 3, -, 2 |
    """
    lines = [
        "| tail alarm on | chains alarmed | first at generation | median | every chain |",
        "| --- | --- | --- | --- | --- |",
    ]
    for on, first in rung.items():
        alarmed = int(np.isfinite(first).sum())
        median = np.median(first)
        listing = ", ".join(_at(g) for g in first[:LISTED]) + ", ..." * (len(first) > LISTED)
        cells = (on, f"{alarmed} of {len(first)}", _at(first.min()), _at(median), listing)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", " ".join(MEANING.split())])


def _at(generation: float) -> str:
    return f"{generation:g}" if np.isfinite(generation) else "-"


def _hits(
    values: Mapping[str, Array], chains: int, config: Mapping[str, Any]
) -> dict[str, tuple[list[int], Array, Array]]:
    """Tail ranks, hits ``[R, T, tail]`` and trials ``[R, tail]`` of the kinds
    measured."""
    facts = config["facts"]
    kinds_measured = {}
    kinds = (
        ("accepted rows", "tail_mass", "accepted", facts.get("evaluation_rows"), False),
        ("matched rows", "tail_coverage", "matched", _covered_rows(facts), True),
    )
    for on, tailed, column, trials, shares in kinds:
        ranks = _tail_ranks(values, column) if tailed in values else []
        if not ranks or trials is None:
            continue
        hits = np.stack([values[f"{column}_rank_{i}"] for i in ranks], 2)
        M = np.broadcast_to(trials, (chains, ranks[-1] + 1))[:, ranks]
        kinds_measured[on] = (ranks, np.rint(hits * M[:, None]) if shares else hits, M)
    return kinds_measured


def _when(generation: Array) -> dict[str, Any]:
    rung = np.isfinite(generation)
    median = float(np.median(generation))
    return {
        "generation": [int(g) if np.isfinite(g) else None for g in generation],
        "alarmed": int(rung.sum()),
        "median": median if np.isfinite(median) else None,
    }


def _tail_ranks(values: Mapping[str, Array], column: str) -> list[int]:
    """The rarest third of the classes, as
    :func:`nc_testbed.metrics.evaluation.rank_columns`."""
    C = sum(name.startswith(f"{column}_rank_") for name in values)
    return list(range(C - max(1, C // 3), C)) if C else []


def _covered_rows(facts: Mapping[str, Any]) -> Array | None:
    """Rows to be covered of the class of every rank, ``[R, C]``."""
    if "covered_rows" not in facts:
        return None
    return np.array(facts["covered_rows"])[np.array(facts["rank_to_class"])]
