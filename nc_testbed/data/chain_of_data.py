"""The data of one chain among others."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.training_set import rows_of_chains
from nc_testbed.data.source import Data, DataLaw


def data_of_chain(data: Data, chain: int) -> Data:
    """Data of R chains as data of this one alone, the same rows and shares."""
    part = slice(chain, chain + 1)
    y = data.y
    return replace(
        data,
        x=rows_of_chains(data.x, part),
        y=None if y is None else rows_of_chains(y, part),
        training=data.training[part],
        reserve=data.reserve[part],
        shares=None if data.shares is None else data.shares[part],
        rank=None if data.rank is None else data.rank[part],
        law=None if data.law is None else _law_of_chain(data.law, chain),
    )


def _law_of_chain(law: DataLaw, chain: int) -> DataLaw:
    """The law of one chain, where each may have weights of its own."""
    weights = law.weights
    if weights is None or weights.dim() == 1:
        return law
    log_prob = law.log_prob

    def draw(n: int, streams: RandomStreams, purpose: str) -> tuple[Tensor, Tensor | None]:
        """Rows of all chains, each with the streams asked for; this chain's are kept."""
        assert len(streams.chains) == 1
        repeated = replace(streams, chains=streams.chains * len(weights))
        rows, labels = law.draw(n, repeated, purpose)
        part = slice(chain, chain + 1)
        return rows[part], None if labels is None else labels[part]

    def density(rows: Tensor) -> Tensor:
        assert log_prob is not None
        return log_prob(rows)[chain : chain + 1]

    return replace(
        law,
        draw=draw,
        log_prob=None if log_prob is None else density,
        weights=weights[chain : chain + 1],
    )
