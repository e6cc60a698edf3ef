"""Small archives whose every value says which row it is."""

import pytest
import torch

from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.loop.archive import Archive

CHAINS, N, TRAINING, RESERVE = 3, 6, 8, 12


def synthetic(generation):
    """Rows sampled from this generation's fit: value 1000 (g + 1) + 100 chain + row."""
    chain = torch.arange(CHAINS)[:, None]
    return 1000.0 * (generation + 1) + 100 * chain + torch.arange(N)


@pytest.fixture
def grown():
    """Builds the archive that a policy meets at a generation, and the streams it is given.

    Real row a has value a. Each chain trains on 8 rows of its own and holds 12 in reserve.
    """

    def build(policy, generation, seed=0):
        real = torch.arange(float(TRAINING + RESERVE), dtype=torch.float64)[None, :, None]
        order = torch.stack([(torch.arange(20) + 3 * r) % 20 for r in range(CHAINS)])
        training, reserve = order[:, :TRAINING], order[:, TRAINING:]
        window = policy.window or 5
        archive = Archive(Space((1,), False), real, training, reserve, n=N, window=window)
        for past in range(generation):
            archive.add(synthetic(past)[..., None])
        return archive, RandomStreams(seed, tuple(range(CHAINS)), generation)

    return build


@pytest.fixture
def composed(grown):
    """The values ``[R, m]`` and origins ``[R, m]`` that a policy composes at a generation."""

    def compose(policy, generation, budget=None, seed=0):
        archive, streams = grown(policy, generation, seed)
        view = policy.compose(archive, streams, budget)
        assert view.size == view.rows.shape[1]
        return view.all()[..., 0], view.origin()

    return compose


@pytest.fixture
def last():
    """The last synthetic set ``[R, n]`` at a generation."""
    return lambda generation: synthetic(generation - 1).double()


@pytest.fixture
def past():
    """All synthetic sets ``[R, generation * n]`` at a generation."""
    return lambda generation: torch.cat([synthetic(g) for g in range(generation)], 1).double()
