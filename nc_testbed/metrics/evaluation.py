"""The contract of every metric: what it is given, what it returns, what it may ask
for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from nc_testbed.core.interfaces import Fit
from nc_testbed.core.machine import each
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.data.source import Data
from nc_testbed.metrics.classifier import Classification, Classifier
from nc_testbed.metrics.neighbours import Neighbourhoods, meet
from nc_testbed.metrics.reference import CONFIDENT, Reference

__all__ = [
    "COLLAPSES",
    "Bound",
    "Classifier",
    "Encoder",
    "Evaluation",
    "Exact",
    "Metric",
    "Reference",
    "fit_provides",
    "missing",
    "needs_fit",
    "rank_columns",
]

COLLAPSES = {
    "catastrophic risk increase": "the loss on real data grows until the model is of no use",
    "any risk increase": "the loss on real data exceeds that of the first fit",
    "diverging risk": "the loss on real data grows over generations without bound",
    "changed scaling law": "the loss falls more slowly with more data than it does on real data",
    "vanishing variance": "samples become alike",
    "merging modes": "modes that the data keep apart become one, or are missed",
    "lost tails": "what is rare in the data is no longer made",
    "hallucinated data": "what is made is like nothing in the data",
}
"""The eight definitions of collapse counted by Schaeffer et al. (2025, arXiv
2503.03150)."""

OF_FITS = frozenset({"exact", "likelihood", "parameters", "encoder"})
"""What a metric can require of a fit, see :func:`fit_provides`."""


@runtime_checkable
class Exact(Protocol):
    """A fit whose density is known."""

    def log_prob(self, rows: Tensor) -> Tensor:
        """Log density ``[R, H]`` of stored rows ``[H, D]``, nats."""
        ...


class Bound(Protocol):
    """A fit with lower bounds of its log density."""

    def elbo(self, rows: Tensor, streams: RandomStreams) -> Tensor:
        """Evidence lower bound ``[R, H]`` of stored rows ``[H, D]``, nats."""
        ...

    def iwae(self, rows: Tensor, samples: int, streams: RandomStreams) -> Tensor:
        """Importance-weighted bound ``[R, H]`` of stored rows ``[H, D]``, nats."""
        ...


class Encoder(Protocol):
    """A fit that maps rows to latents, and bounds the log density of each chain's own
    rows."""

    def latent_means(self, rows: Tensor) -> Tensor:
        """Means of q(z | x) ``[R, M, L]`` of stored rows ``[R, M, D]``."""
        ...

    def elbo(self, rows: Tensor, streams: RandomStreams) -> Tensor:
        """Evidence lower bound ``[R, M]`` of stored rows ``[R, M, D]``, nats."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """One generation under measurement.

    rows: ``[R, M, D]`` stored samples of the fit, drawn for the metrics alone, apart from
    the n rows the next generation trains on. first: generation 0's fit. training: what
    this fit was trained on (with ``stream`` the stored rows of the law that it was
    trained on). Both are None where samples are measured outside a loop, and so is fit
    where rows are not of one. classes: ``[R, M]`` int64, what each sample was made as,
    where the generator says. Parts are computed when first asked for.
    """

    fit: Fit | None
    rows: Tensor
    reference: Reference
    streams: RandomStreams
    first: Fit | None = None
    training: TrainingSet | None = None
    classes: Tensor | None = None

    @property
    def data(self) -> Data:
        """The real data."""
        return self.reference.data

    @property
    def generation(self) -> int:
        """The fit's generation; 0 is fitted to real rows."""
        return self.streams.generation

    @property
    def chains(self) -> int:
        """Number of chains."""
        return len(self.rows)

    @cached_property
    def depths(self) -> Tensor:
        """Features of several depths, ``[R, M, G]`` float32, one chain at a time."""
        referee = self.reference.referee
        return torch.stack(each(referee.describe, list(self.rows), self.rows.device))

    @property
    def features(self) -> Tensor:
        """Units of the referee's last hidden layer, ``[R, M, F]`` float32."""
        return self.depths[..., : self.reference.referee.width]

    @cached_property
    def _classification(self) -> Classification:
        """What the referee says of the samples, ``[R, M]`` each."""
        classification = [
            self.reference.referee.classify(described) for described in self.depths
        ]
        return Classification(
            *(torch.stack(field) for field in zip(*classification, strict=True))
        )

    @property
    def labels(self) -> Tensor:
        """The referee's labels ``[R, M]`` int64; all 0 where there are no classes."""
        if self.reference.has_labels:
            return self._classification.label
        return torch.zeros_like(self.rows[..., 0], dtype=torch.int64)

    @property
    def is_none(self) -> Tensor:
        """Samples ``[R, M]`` bool that the referee takes for none of the classes."""
        if self.reference.has_labels:
            return self._classification.is_none
        return torch.zeros_like(self.rows[..., 0], dtype=torch.bool)

    @property
    def confidence(self) -> Tensor:
        """The referee's confidence ``[R, M]`` float32; only where there are classes."""
        return self._classification.confidence

    @cached_property
    def neighbourhoods(self) -> Neighbourhoods:
        """Who lies in whose k = 5 ball."""
        reference = self.reference
        features = self.features
        labels = self.labels
        balls = reference.balls

        def one(r: int) -> tuple[Tensor, ...]:
            return meet(balls[r], reference.subtract_centre(features[r]), labels[r])

        fields = zip(*each(one, range(self.chains), self.rows.device), strict=True)
        return Neighbourhoods(*(torch.stack(field) for field in fields))

    @property
    def is_accepted(self) -> Tensor:
        """``[R, M]`` bool: the referee is sure of the label, does not say "none of these",
        and the row lies on the class's manifold."""
        is_sure = (self.confidence >= CONFIDENT) & ~self.is_none
        return is_sure & self.neighbourhoods.inside_own

    def counts(self, among: Tensor | None = None) -> Tensor:
        """Synthetic rows of each label ``[R, C]`` float64, of all rows or of those
        ``among``."""
        classes = range(self.reference.shares.shape[1])
        hits = torch.ones_like(self.labels, dtype=torch.bool) if among is None else among
        return torch.stack([((self.labels == c) & hits).sum(1) for c in classes], 1).double()


@runtime_checkable
class Metric(Protocol):
    """Frozen settings of one family of columns.

    requires: words the data and the fit must provide: labels, tail, image, planar, modes,
    density (:attr:`Data.provides`), likelihood (an exact density or a bound), exact,
    encoder, parameters (:func:`fit_provides`). collapse: which of the eight definitions
    in ``COLLAPSES`` it measures. It may declare ``columns``,
    :class:`nc_testbed.metrics.column.Column` by name: what is said of them wherever they
    are shown. Of a column that is not declared nothing is.
    """

    requires: ClassVar[frozenset[str]]
    collapse: ClassVar[str]

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """Columns ``{name: [R] float64}``. A collapsed chain is a result, never an
        exception.

        The names do not change over generations. NaN means undefined for that chain.
        """
        ...


def fit_provides(fit: Any) -> frozenset[str]:
    """What a fit, or a class of fits, adds to what the data offer.

    >>> fit_provides(object())
    frozenset()
    """
    exact = hasattr(fit, "log_prob")
    bound = hasattr(fit, "elbo")
    words = {
        "exact": exact,
        "likelihood": exact or bound,
        "parameters": hasattr(fit, "columns"),
    }
    words["encoder"] = bound and hasattr(fit, "latent_means")
    return frozenset(word for word, holds in words.items() if holds)


def needs_fit(metric: Metric) -> bool:
    """Whether a metric asks the fit, and so says nothing of rows that are not of one."""
    return bool(metric.requires & OF_FITS)


def missing(metric: Metric, provides: frozenset[str]) -> frozenset[str]:
    """What a metric needs and is not offered; empty where it applies."""
    return metric.requires - provides


def rank_columns(
    name: str,
    by_class: Tensor,
    reference: Reference,
    thirds: tuple[str, ...] = ("tail",),
    ranks: bool = True,
) -> dict[str, Tensor]:
    """Columns of a per-class figure ``[R, C]``: means over rank thirds, and by rarity
    rank.

    ``{third}_{name}``: mean over the T = max(1, C // 3) rarest (tail) or commonest (head)
    classes or those between (medium); left out where no class is rare, or none lies
    between. ``{name}_rank_{i}``: the class of rarity rank i, 0 the commonest.
    """
    ranked = by_class.gather(1, reference.class_of_rank)
    classes = ranked.shape[1]
    T = max(1, classes // 3)
    parts = {
        "head": ranked[:, :T],
        "medium": ranked[:, T : classes - T],
        "tail": ranked[:, classes - T :],
    }
    tailed = "tail" in reference.data.provides
    names = [third for third in thirds if tailed and parts[third].shape[1]]
    columns = {f"{third}_{name}": parts[third].mean(1) for third in names}
    if ranks:
        columns |= {f"{name}_rank_{i}": ranked[:, i].clone() for i in range(classes)}
    return columns
