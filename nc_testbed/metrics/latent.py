"""What the first generation's encoder sees of every later one, and what fits were trained
to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import Encoder, Evaluation

LOSS_ROWS = 1000
"""Most training rows whose loss is averaged: its error over rows is then below that over
chains."""


@dataclass(frozen=True)
class Latent:
    """Spread of the latents that generation 0's encoder finds in samples, and the
    training loss.

    The spread is ``sum_l Var[mu_l(x)]`` over the evaluation rows x of this generation,
    mu(x) the mean of generation 0's q(z | x): one encoder for all generations, so that
    they can be compared. Dimensions that it does not use add nothing, so generation 0 is
    below the L latents. The loss is the negative ELBO of as many training rows as there
    are evaluation rows, at most 1000, evenly spaced, by their weights; with a Bernoulli
    likelihood it includes the entropy of grey pixels, so it can rise though training sets
    become simpler, as they blur.

    Both curves are those of the VAE study of Shumailov et al. 2024,
    https://doi.org/10.1038/s41586-024-07566-y
    """

    requires: ClassVar[frozenset[str]] = frozenset({"encoder"})
    collapse: ClassVar[str] = "vanishing variance"
    columns: ClassVar[dict[str, Column]] = {
        "latent_spread": Column(
            "total variance of the latent means; 0 = all samples look the same to the encoder",
            low=0,
            worse="lower",
            group="4 diversity",
        ),
        "neg_elbo_train": Column(
            "training loss per row, to be read beside that of real rows, `neg_elbo`; NaN "
            "where no row has any weight",
            worse="either",
            unit="nats",
            group="3 likelihood",
        ),
    }

    def measure(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """The columns above, ``[R]`` each."""
        first = cast(Encoder, evaluation.first)
        means = first.latent_means(evaluation.rows).double()  # [R, M, L]
        spread = torch.stack([chain.var(0).sum() for chain in means])
        return {"latent_spread": spread, "neg_elbo_train": self._loss(evaluation)}

    def _loss(self, evaluation: Evaluation) -> Tensor:
        training = evaluation.training
        R = evaluation.chains
        assert training is not None, "a loop says what it trained on"
        m = min(training.size, evaluation.rows.shape[1], LOSS_ROWS)
        index = torch.arange(m, device=training.rows.device) * training.size // m
        index = index.expand(R, -1)
        fit = cast(Encoder, evaluation.fit)
        streams = evaluation.streams.at(0)
        loss = -fit.elbo(training.gather(index), streams).double()  # [R, m]
        if training.weights is None:
            return torch.stack([chain.mean() for chain in loss])
        weights = training.weights.gather(1, index)
        pairs = zip(weights, loss, strict=True)
        return torch.stack([(w * chain).sum() / w.sum() for w, chain in pairs])
