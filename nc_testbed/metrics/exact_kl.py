"""Divergence from the exact law, where law and fit both have a density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

from torch import Tensor

from nc_testbed.data.source import DataLaw
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation, Exact

Density = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ExactKL:
    """Monte Carlo ``KL(law || fit) = E_law [log law - log fit]`` over the held-out rows.

    Rows are weighted to the law's own class weights (stratified), not to a chain's sample
    of them. The same rows serve every generation, so changes are less noisy than values.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"density", "exact"})
    collapse: ClassVar[str] = "diverging risk"
    columns: ClassVar[dict[str, Column]] = {
        "exact_kl": Column(
            "KL divergence of the fit from the known law, per row; 0 for a perfect fit up to "
            "Monte Carlo noise, inf when the fit gives a held-out row no density",
            unit="nats",
            group="3 likelihood",
            overall=4,
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The column above, ``[R]``."""
        data = evaluation.data
        reference = evaluation.reference
        law = cast(DataLaw, data.law)
        truth = cast(Density, law.log_prob)(data.held_out)  # [H], or [R, H]
        fitted = cast(Exact, evaluation.fit).log_prob(data.held_out)  # [R, H]
        shares = None
        if law.weights is not None and reference.has_labels:
            shares = law.weights.to(fitted.device).expand(reference.chains, -1)
        return {"exact_kl": reference.mean(truth - fitted.double(), shares)}
