"""Modes of a mixture with known centres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from nc_testbed.data.source import DataLaw
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.neighbours import blocks

RADIUS = 3.0
"""Standard deviations of one mode within which a row is of high quality."""

HELD = 0.2
"""Share of its expected number of rows that a mode must have to be held."""


def _weights(law: DataLaw, chains: int) -> Tensor:
    modes = len(cast(Tensor, law.centres))
    weights = torch.full((modes,), 1 / modes) if law.weights is None else law.weights
    return weights.expand(chains, -1)


@dataclass(frozen=True)
class Modes:
    """Which modes of the true mixture the fit still has.

    A row belongs to its nearest centre, and is of high quality within 3 standard
    deviations of it (Srivastava et al., 2017, https://arxiv.org/abs/1705.07761; Lin et
    al., 2018, https://arxiv.org/abs/1712.04086).
    """

    requires: ClassVar[frozenset[str]] = frozenset({"modes"})
    collapse: ClassVar[str] = "merging modes"
    columns: ClassVar[dict[str, Column]] = {
        "high_quality_share": Column(
            "share of samples within three standard deviations of a true mode, 0.989 for a "
            "perfect fit in the plane; it says nothing of modes that are lost",
            low=0,
            high=1,
            worse="lower",
            group="2 quality",
            fidelity=2,
        ),
        "modes_hit": Column(
            "modes with at least one such row",
            low=0,
            high="C",
            worse="lower",
            unit="modes",
            group="4 diversity",
        ),
        "modes_captured": Column(
            "modes of the true mixture that still get a fifth of their rows: at least "
            "`0.2 M p_c` of high quality, p_c the law's weight",
            low=0,
            high="C",
            worse="lower",
            unit="modes",
            group="4 diversity",
            headline=2,
        ),
        "modes_kl": Column(
            "KL(q || p) of the shares of all rows by nearest centre from the law's weights",
            low=0,
            unit="nats",
            group="3 likelihood",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        law = cast(DataLaw, evaluation.data.law)
        chains = evaluation.chains
        centres = cast(Tensor, law.centres).to(evaluation.rows)
        scale = cast(float, law.scale)
        p = _weights(law, chains).to(evaluation.rows)  # p [R, C]
        modes = len(centres)
        nearest = []
        good = []
        for rows in evaluation.rows:
            parts = blocks(len(rows), centres.numel(), rows.device)
            pairs = [(rows[part, None] - centres).square().sum(2).min(1) for part in parts]
            distance, mode = map(torch.cat, zip(*pairs, strict=True))  # [M]
            inside = distance <= (RADIUS * scale) ** 2
            nearest.append(mode.bincount(minlength=modes))
            good.append(mode[inside].bincount(minlength=modes))
        M = evaluation.rows.shape[1]
        q = torch.stack(nearest).double() / M
        counts = torch.stack(good).double()  # [R, C]
        return {
            "high_quality_share": counts.sum(1) / M,
            "modes_hit": (counts > 0).sum(1).double(),
            "modes_captured": ((counts > 0) & (counts >= HELD * M * p)).sum(1).double(),
            "modes_kl": (torch.special.xlogy(q, q) - torch.special.xlogy(q, p)).sum(1),
        }
