"""Held-out likelihood: needs no referee, and stays defined when a class is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from torch import Tensor

from nc_testbed.core.errors import require
from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Bound, Evaluation, Exact, rank_columns

_LOSSES = {
    "nll": "negative log density of held-out rows, per row",
    "neg_elbo": "its upper bound by the negative ELBO",
    "neg_iwae": "its upper bound with `iwae` importance samples, tighter",
}
_THIRDS = {"": "", "_head": ", commonest third", "_tail": ", rarest third"}


@dataclass(frozen=True)
class Likelihood:
    """Negative log density of held-out rows, or the bounds a latent-variable fit offers.

    Exact (``nll``) for fits with ``log_prob``; for the others ``neg_elbo`` and, where
    asked for, ``neg_iwae`` (Burda et al., 2016, https://arxiv.org/abs/1509.00519), upper
    bounds of it that use the same noise in every generation. Each is the mean under the
    chain's training law; with ``_head`` and ``_tail`` after its name the mean over the
    commonest and rarest third of classes, only where classes are rare. inf when a row has
    no density.

    iwae: importance samples, at least 1, or null for the ELBO alone (they cost as many
    passes).
    """

    iwae: int | None = None
    requires: ClassVar[frozenset[str]] = frozenset({"likelihood"})
    collapse: ClassVar[str] = "catastrophic risk increase"
    columns: ClassVar[dict[str, Column]] = {
        f"{loss}{third}": Column(
            f"{_LOSSES[loss]}{_THIRDS[third]}",
            unit="nats",
            group="3 likelihood",
        )
        for loss in _LOSSES
        for third in _THIRDS
    }

    def __post_init__(self) -> None:
        require(
            self.iwae is None or self.iwae >= 1,
            "iwae",
            self.iwae,
            "give at least 1, or null",
        )

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        rows = evaluation.data.held_out
        reference = evaluation.reference
        columns = {}
        for name, values in self._bounds(evaluation, rows).items():
            loss = -values.double()  # [R, H]
            columns[name] = reference.mean(loss)
            by_class = reference.by_class(loss)
            thirds = rank_columns(name, by_class, reference, ("head", "tail"), ranks=False)
            columns |= {f"{name}_{key.split('_')[0]}": column for key, column in thirds.items()}
        return columns

    def _bounds(self, evaluation: Evaluation, rows: Tensor) -> dict[str, Tensor]:
        if isinstance(evaluation.fit, Exact):
            return {"nll": evaluation.fit.log_prob(rows)}
        fit = cast(Bound, evaluation.fit)
        streams = evaluation.streams.at(0)
        bounds = {"neg_elbo": fit.elbo(rows, streams)}
        if self.iwae is not None:
            bounds["neg_iwae"] = fit.iwae(rows, self.iwae, streams)
        return bounds
