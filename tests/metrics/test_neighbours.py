"""Balls against brute force, exactly: integer coordinates make every distance and tie exact."""

from __future__ import annotations

import numpy as np
import prdc
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from nc_testbed.core.exactness import one_thread
from nc_testbed.metrics import neighbours
from nc_testbed.metrics.neighbours import (
    NEIGHBOURS,
    Balls,
    inside_others,
    left,
    meet,
    radii,
    right,
    rounding,
)


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


def mapped(rows, order):
    """Integers in tenths, far from zero, with their columns in another order."""
    return (rows[:, order] / 10 - 0.7) * 3


TABLES = {
    "zeros_ones": lambda rng, n: rng.integers(0, 2, (n, 30)),
    "counts": lambda rng, n: rng.poisson(3, (n, 5)),
    "answers": lambda rng, n: rng.integers(1, 6, (n, 10)),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_distance_that_equals_a_radius_is_outside_whatever_rounding_says(table):
    """Density was .782 for .663, and changed with a constant and the order of columns."""
    rng = np.random.default_rng(0)
    x, y = (torch.from_numpy(TABLES[table](rng, n)).double() for n in (300, 400))
    labels = torch.from_numpy(rng.integers(0, 2, 400))
    group, member = torch.arange(300) % 2, torch.arange(300) % 3 > 0
    brute = brute_meet(x, y, labels, group, member)
    assert (squares(x, y) == brute_radius(y)).any()  # there are ties
    orders = [torch.arange(x.shape[1]), torch.from_numpy(rng.permutation(x.shape[1]))]
    for order in orders:
        a, b = mapped(x, order), mapped(y, order)
        for moved in (a.mean(0), torch.full_like(a[0], 1 / 3), torch.zeros_like(a[0])):
            ours = blocked_meet(a - moved, b - moved, labels, group, member)
            for mine, expected in zip(ours, brute, strict=True):
                assert torch.equal(mine, expected)


@pytest.mark.parametrize("F", [2, 64])
def test_continuous_distances_are_prdcs(F, capsys):
    rng = np.random.default_rng(F)
    x, y = rng.normal(size=(300, F)), rng.normal(size=(400, F)) * 0.9
    theirs = prdc.compute_prdc(x, y, NEIGHBOURS)
    every = torch.ones(300, dtype=torch.bool)
    zeros = torch.zeros(400, dtype=torch.int64)
    fields = blocked_meet(torch.from_numpy(x), torch.from_numpy(y), zeros, zeros[:300], every)
    recalled, balls, covered, *_ = (field.double() for field in fields)
    assert recalled.mean().item() == pytest.approx(theirs["recall"], abs=1e-12)
    assert (balls > 0).double().mean().item() == pytest.approx(theirs["precision"], abs=1e-12)
    assert balls.mean().item() / NEIGHBOURS == pytest.approx(theirs["density"], abs=1e-12)
    assert covered.mean().item() == pytest.approx(theirs["coverage"], abs=1e-12)


@pytest.mark.parametrize("F", [1, 3, 30, 400])
def test_the_bound_holds_and_is_narrow(F):
    """A distance is never below the exact one, taken in 80 bits, and a radius never above."""
    x = torch.randn(60, F, generator=torch.Generator().manual_seed(F)).double() + 50
    exact = x.numpy().astype(np.longdouble)
    exact = ((exact[:, None] - exact) ** 2).sum(2)
    raised = (left(x) @ right(x).T).numpy()
    size = (x * x).sum(1).numpy()
    assert (raised >= exact).all()
    assert (raised - exact <= 3 * rounding(F) * (size[:, None] + size)).all()
    np.fill_diagonal(exact, np.inf)
    assert (radii(x)[0].numpy() <= np.sort(exact, 1)[:, NEIGHBOURS - 1]).all()


def test_leave_one_out_is_leaving_each_one_out():
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(1)).double()
    x[0] += 4  # one row apart from the others lies in no ball
    expected = []
    for i in range(len(x)):
        rest = torch.cat([x[:i], x[i + 1 :]])
        expected.append(bool((squares(x[i : i + 1], rest)[0] < brute_radius(rest)).any()))
    assert inside_others(x, radii(x)[1]).tolist() == expected
    assert any(expected) and not expected[0]
