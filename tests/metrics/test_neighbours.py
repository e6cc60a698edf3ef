"""Balls against brute force, exactly: integer coordinates make every distance and tie exact."""

from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from nc_testbed.core.exactness import one_thread
from nc_testbed.metrics import neighbours
from nc_testbed.metrics.neighbours import NEIGHBOURS, Balls, inside_others, left, meet, radii


def integers(n: int, seed: int, high: int = 6, d: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(high, (n, d), generator=generator).double()


def squares(x, y):
    return (x[:, None] - y).square().sum(2)


def brute_radius(x, k=NEIGHBOURS):
    d = squares(x, x)
    d.fill_diagonal_(torch.inf)
    return d.sort(1).values[:, k - 1]


def brute_meet(x, y, labels, group, member):
    """Every field of Neighbourhoods from the definitions, all pairs at once."""
    d = squares(x, y)
    own = torch.empty(len(x), dtype=torch.float64)
    for c in group.unique():
        own[group == c] = brute_radius(x[group == c])
    overall = torch.zeros(len(x), dtype=torch.float64)
    overall[member] = brute_radius(x[member])
    in_own = (d < own[:, None]) & (group[:, None] == labels)
    return (
        (d < brute_radius(y)).any(1),
        (d < overall[:, None]).sum(0),
        (d < overall[:, None]).any(1),
        (d < own[:, None]).any(1),
        in_own.any(0),
    )


def blocked_meet(x, y, labels, group, member):
    own = torch.empty(len(x), dtype=torch.float64)
    groups = tuple((group == c).nonzero()[:, 0] for c in group.unique())
    for rows in groups:
        own[rows] = radii(x[rows])[0]
    overall = torch.full_like(own, -torch.inf)
    overall[member] = radii(x[member])[0]
    return meet(Balls(left(x), groups, overall, own), y, labels)


@pytest.mark.parametrize("block", [1, 1000, 2**20])
@pytest.mark.parametrize("seed", range(5))
def test_meet_is_brute_force_at_any_block(monkeypatch, block, seed):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    x, y = integers(90, seed), integers(110, seed + 100)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (110,), generator=generator)
    group = torch.arange(90) % 3
    member = torch.rand(90, generator=generator) < 0.5
    ours = blocked_meet(x, y, labels, group, member)
    for mine, brute in zip(ours, brute_meet(x, y, labels, group, member), strict=True):
        assert torch.equal(mine, brute)


@pytest.mark.parametrize("F", [2, 3, 64])
@pytest.mark.parametrize("block", [1, 20_001, neighbours.BLOCK // 7])
def test_no_bit_of_a_distance_depends_on_the_block(monkeypatch, block, F):
    """Radii are distances as they are; a comparison with them would hide the last digits."""
    for N in (1025, 1027, 1040):  # 1, 3 and 0 rows are left over
        x = torch.randn(N, F, generator=torch.Generator().manual_seed(N)).double()
        with one_thread():
            monkeypatch.setattr(neighbours, "BLOCK", N * N)
            whole = radii(x)
            monkeypatch.setattr(neighbours, "BLOCK", block)
            for mine, other in zip(radii(x), whole, strict=True):
                assert torch.equal(mine, other)


def test_radii_are_sklearns():
    x = torch.randn(500, 64, generator=torch.Generator().manual_seed(0)).double()
    knn = NearestNeighbors(n_neighbors=NEIGHBOURS + 2, algorithm="brute").fit(x.numpy())
    distance = torch.from_numpy(knn.kneighbors(x.numpy())[0])  # the first is the point itself
    kth, next_one = radii(x)
    torch.testing.assert_close(kth.sqrt(), distance[:, NEIGHBOURS], rtol=1e-12, atol=0)
    torch.testing.assert_close(next_one.sqrt(), distance[:, NEIGHBOURS + 1], rtol=1e-12, atol=0)


def test_balls_of_duplicates_are_empty():
    x = torch.full((20, 64), 0.1).double() / 3
    assert (radii(x)[0] == -torch.inf).all()
    real = Balls(left(x), (torch.arange(20),), radii(x)[0], radii(x)[0])
    recalled, balls, *_ = meet(real, x, torch.zeros(20, dtype=torch.int64))
    assert not recalled.any() and not balls.any()


def test_five_copies_still_have_a_ball_and_six_do_not():
    others = torch.arange(8.0).double()[:, None] + 10
    for copies, empty in ((NEIGHBOURS, False), (NEIGHBOURS + 1, True)):
        x = torch.cat([torch.zeros(copies, 1).double(), others])
        assert bool(radii(x)[0][0] == -torch.inf) is empty


def test_leave_one_out_is_leaving_each_one_out():
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(1)).double()
    x[0] += 4  # one row apart from the others lies in no ball
    expected = []
    for i in range(len(x)):
        rest = torch.cat([x[:i], x[i + 1 :]])
        expected.append(bool((squares(x[i : i + 1], rest)[0] < brute_radius(rest)).any()))
    assert inside_others(x, radii(x)[1]).tolist() == expected
    assert any(expected) and not expected[0]
