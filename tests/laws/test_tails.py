"""Rare classes: how long they live, and when their loss can be noticed (G1, G2, G4)."""

import math

import numpy as np
import pytest
from laboratory import CHAINS, simulated

from nc_testbed.families.bernoulli import BernoulliSource
from nc_testbed.families.categorical import CategoricalSource
from nc_testbed.theory import chain, tails
from nc_testbed.theory.rules import equivalence, mean_check, share_check

T, WIDTH = (1, 10, 40), 0.03
RARE = [(2000, 0.001), (2500, 0.002), (1000, 0.005), (5000, 0.002)]  # n and p: c = 2, 5, 5, 10


def present(n, p, t):
    """Chains in which the class is still there."""
    runs = simulated(BernoulliSource(p=p), n, t)
    return {i: int((g.record["mean"] > 0).sum()) for i, g in runs.items()}


@pytest.mark.parametrize(("n", "p"), RARE)
def test_survival_of_a_rare_class(n, p):
    """Its count is a branching process while p is small."""
    for t, alive in present(n, p, T).items():
        law = tails.alive(t, n * p)
        assert share_check(alive, CHAINS, law, WIDTH).verdict == "pass"


@pytest.mark.parametrize(("n", "p"), [(20, 0.05), (50, 0.1), (100, 0.2)])
def test_survival_of_a_class_that_is_not_rare(n, p):
    """By the exact chain."""
    law = chain.alive_curve(n, [p], T[-1])[0]
    for t, alive in present(n, p, T).items():
        assert share_check(alive, CHAINS, law[t - 1], WIDTH).verdict == "pass"


@pytest.mark.parametrize("shares", [(0.05, 0.15, 0.8), (0.1, 0.2, 0.3, 0.4), (0.2,) * 5])
def test_classes_and_missing_mass_of_a_law_that_is_not_rare(shares):
    n, p = 20, np.array(shares)
    alive, alone = chain.alive_curve(n, p, 12), chain.fixed_curve(n, p, 12).sum(0)
    for t, g in simulated(CategoricalSource(probs=shares), n, (1, 4, 12)).items():
        law = alive[:, t - 1]
        assert mean_check(g.record["alive_classes"], law.sum()).verdict == "pass"
        lost = float(p @ (1 - law))
        check = mean_check(g.record["missing_mass"], lost, scale=max(lost, 0.05))
        assert check.verdict == "pass"
        absorbed = int(g.record["absorbed"].sum())
        assert share_check(absorbed, CHAINS, alone[t - 1], WIDTH).verdict == "pass"


@pytest.mark.parametrize(("n", "p"), [(1000, 0.01), (2000, 0.01), (4000, 0.005)])
def test_half_of_the_chains_lose_a_class_after_its_lifetime(n, p):
    """From g_t ~ 2/t, which is late by a few percent: within 0.05."""
    t = round(float(tails.lifetime(n * p)))
    share = simulated(BernoulliSource(p=p), n, (t,), chains=4096)[t].record["mean"]
    assert equivalence((share > 0).double() - 0.5, 0.05).verdict == "pass"


@pytest.mark.parametrize(("n", "p"), [(100, 0.5), (150, 0.3), (200, 0.2)])
def test_half_life_of_the_gini(n, p):
    t = round(float(tails.gini_half_life(n)))
    heterozygosity = simulated(BernoulliSource(p=p), n, (t,), chains=8192)[t].record[
        "heterozygosity"
    ]
    assert mean_check(heterozygosity, p * (1 - p)).verdict == "pass"


MANY = [  # n and symbols whose shares are all small; few chains, for a limit p -> 0
    (500, CategoricalSource(classes=500)),
    (200, CategoricalSource(classes=400, exponent=1.0, shift=50.0)),
    (1000, CategoricalSource(classes=300, exponent=0.5, shift=20.0)),
]


def symbols(n, source):
    return simulated(source, n, (1, 4, 10), chains=400)


@pytest.mark.parametrize(("n", "source"), MANY)
def test_surviving_symbols_and_missing_mass(n, source):
    shares = source.laws()[0][1]["shares"][0].numpy()
    for t, g in symbols(n, source).items():
        law = tails.surviving_symbols(t, n, shares)
        assert mean_check(g.record["alive_classes"], law).verdict == "pass"
        law = tails.missing_mass(t, n, shares)
        assert mean_check(g.record["missing_mass"], law).verdict == "pass"


@pytest.mark.parametrize(("share", "level"), [(0.05, 0.05), (0.01, 0.05), (0.02, 0.01)])
def test_a_class_that_is_there_is_seldom_missed(share, level):
    """And by fewer samples more often than the level."""
    n = math.ceil(tails.samples_to_notice(share, level))
    for rows, seldom in ((n, True), (n * 2 // 3, False)):
        missed = CHAINS - present(rows, share, (1,))[1]
        assert share_check(missed, CHAINS, (1 - share) ** rows, WIDTH).verdict == "pass"
        assert (missed / CHAINS < 1.2 * level) == seldom


def test_wrong_laws_fail():
    """t off by one while it matters, n for n p, the wrong share, the exact chain of another n."""
    n, p = RARE[1]
    alive = present(n, p, T)
    for t, wrong in ((1, (2, n * p)), (10, (12, n * p)), (10, (10, 4)), (40, (40, 6))):
        law = tails.alive(*wrong)
        assert share_check(alive[t], CHAINS, law, WIDTH).verdict == "fail"
    law = chain.alive_curve(50, [0.05], 40)[0]
    assert share_check(present(20, 0.05, T)[10], CHAINS, law[9], WIDTH).verdict == "fail"
    n, source = MANY[0]
    shares, record = np.full(500, 1 / 500), symbols(n, source)[4].record
    for t, rows in ((3, n), (5, n), (4, 2 * n)):
        wrong = tails.surviving_symbols(t, rows, shares)
        assert mean_check(record["alive_classes"], wrong).verdict == "fail"
        wrong = tails.missing_mass(t, rows, shares)
        assert mean_check(record["missing_mass"], wrong).verdict == "fail"
    heterozygosity = simulated(BernoulliSource(p=0.5), 100, (69,), chains=8192)[69].record[
        "heterozygosity"
    ]
    half = round(float(tails.gini_half_life(100))) // 2
    early = simulated(BernoulliSource(p=0.5), 100, (half,), chains=8192)[half].record[
        "heterozygosity"
    ]
    assert (
        mean_check(early, 0.25).verdict == "fail"
        and mean_check(heterozygosity, 0.125).verdict == "fail"
    )


def test_too_few_chains_are_inconclusive():
    n, p = RARE[1]
    few = present(n, p, T)[10] // 200
    assert share_check(few, CHAINS // 200, tails.alive(10, n * p)).verdict == "inconclusive"
    record = symbols(*MANY[0])[1].record
    law = tails.missing_mass(1, 500, np.full(500, 1 / 500))
    assert mean_check(record["missing_mass"][:1], law).verdict == "inconclusive"
