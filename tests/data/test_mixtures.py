import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from nc_testbed.data.mixtures import Blobs, Mixture2d

SOURCES = [Mixture2d(rows=40_000), Mixture2d(layout="grid", rows=40_000), Blobs(rows=40_000),
           Blobs(centres=4, rows=40_000)]  # fmt: skip


def test_centres_are_the_published_ones():
    ring, grid = (Mixture2d(layout=layout).class_laws() for layout in ("ring", "grid"))
    assert ring.centres is not None
    assert grid.centres is not None
    assert np.allclose(ring.centres.norm(dim=1), 1)
    assert (ring.scale, grid.scale) == (0.01, 0.05)
    gaps = (ring.centres - ring.centres.roll(1, 0)).norm(dim=1)
    assert np.allclose(gaps, 2 * np.sin(np.pi / 8))
    assert len(ring.centres) == 8
    axis = [-4.0, -2.0, 0.0, 2.0, 4.0]
    assert sorted(grid.centres.tolist()) == [[a, b] for a in axis for b in axis]
    assert Blobs().class_laws().centres.tolist() == [[0, 0]]  # type: ignore[union-attr]


def test_blobs_lie_in_the_box_and_do_not_move():
    three, five = (Blobs(centres=n).class_laws().centres for n in (3, 5))
    assert three is not None
    assert five is not None
    assert five.abs().max() <= 10
    assert len(five.unique(dim=0)) == 5
    law = Blobs(centres=3, rows=7, test_rows=9).load(1, 8, 0, 1).law
    assert law is not None
    assert law.centres is not None
    assert torch.equal(three, law.centres)


@pytest.mark.parametrize("source", SOURCES)
def test_density_agrees_with_scipy(source):
    law = source.load(1, 0, 0, 1).law
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = law.centres[:1] + x * law.scale * 3
    expected = sum(
        w * multivariate_normal(c, law.scale**2).pdf(x)
        for w, c in zip(law.weights.tolist(), law.centres.numpy(), strict=True)
    )
    assert np.allclose(law.log_prob(x), np.log(expected))


def test_density_integrates_to_one():
    law = Blobs(centres=3).load(1, 0, 0, 1).law
    assert law is not None
    assert law.log_prob is not None
    line = torch.arange(-17, 17, 0.25, dtype=torch.float64)
    density = law.log_prob(torch.cartesian_prod(line, line)).exp()
    assert abs(density.sum() * 0.25**2 - 1) < 1e-9


@pytest.mark.parametrize("source", SOURCES)
def test_rows_have_the_moments_of_their_class(source):
    data = source.load(1, 1, 0, 1)
    law, C = data.law, len(data.classes)
    y = data.y[0]
    noise = (data.x[0] - law.centres[y]) / law.scale
    n = torch.bincount(y, minlength=C).double()
    share = torch.tensor(1 / C)
    z = [(n / 40_000 - share) / (share * (1 - share) / 40_000).sqrt()] if C > 1 else []
    for moment, mean, sd in ((1, 0.0, 1.0), (2, 1.0, 2**0.5), (4, 3.0, 96**0.5)):
        sums = torch.zeros(C, 2, dtype=torch.float64).index_add(0, y, noise**moment)
        z.append(((sums - mean * n[:, None]) / (sd * n[:, None].sqrt())).flatten())
    z.append(noise.prod(1).sum()[None] / 200)
    z = torch.cat(z)
    assert z.abs().max() < 5
    assert abs(z.square().mean() - 1) < 5 * (2 / len(z)) ** 0.5
