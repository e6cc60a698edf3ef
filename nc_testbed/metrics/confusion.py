"""Confusion: how many of the samples taken for a class lie between the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Evaluation
from nc_testbed.metrics.reference import CONFIDENT, Reference


def _mean(values: Tensor, among: Tensor) -> Tensor:
    """Mean of values ``[R, M]`` over those ``among``, ``[R]`` float64; NaN of none."""
    kept = torch.where(among, values.double(), 0.0)
    return kept.sum(1) / among.sum(1)


def _real(reference: Reference) -> tuple[Tensor, Tensor]:
    """Surprisal and share of unsure rows, ``[R]`` each, of real rows of each chain's law."""
    confidence = reference.referee.classify(reference.described).confidence
    weights = reference.weights(reference.shares) * reference.is_labelled
    weights = weights / weights.sum(1, keepdim=True)
    surprisal = -confidence.double().log()
    return weights @ surprisal, weights @ (confidence < CONFIDENT).double()


@dataclass(frozen=True)
class Confusion:
    """How unsure the referee is of the samples that it takes for a class.

    Of its confidence, the probability of the likeliest class, alone: ``-log`` of it is the
    smallest Renyi entropy of what it says (the min-entropy, nats), at most the Shannon
    entropy. Real rows at the chain's shares are subtracted. NaN where every sample is
    taken for none of the classes.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    collapse: ClassVar[str] = "hallucinated data"
    columns: ClassVar[dict[str, Column]] = {
        "confusion": Column(
            "mean -log confidence of the referee in samples taken for a class, less that in "
            "real rows; about 0 for a perfect fit",
            worse="higher",
            unit="nats",
            group="5 labels",
        ),
        "unsure": Column(
            "share of the samples taken for a class of which the referee is less than .9 sure, "
            "less that of real rows",
            low=-1,
            high=1,
            worse="higher",
            group="5 labels",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        surprisal, unsure = evaluation.reference.once(_real)
        confidence = evaluation.confidence
        taken = ~evaluation.is_none
        return {
            "confusion": _mean(-confidence.double().log(), taken) - surprisal,
            "unsure": _mean(confidence < CONFIDENT, taken) - unsure,
        }
