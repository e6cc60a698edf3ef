"""Real rows in every generation: fresh, from a pool, or the same for ever (B1-B8).

Stationary laws are tested from the truth and from far away, after 10 n/k refits (T5).
"""

import math

import numpy as np
import pytest
from laboratory import fixed_rows, simulated
from scipy import stats

from nc_testbed.families.bernoulli import BernoulliSource
from nc_testbed.families.categorical import CategoricalSource
from nc_testbed.families.exponential import ExponentialSource
from nc_testbed.families.gaussian import GaussianModel, GaussianSource
from nc_testbed.families.poisson import PoissonSource
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.collect import Collect
from nc_testbed.theory import anchors, chain, stationary
from nc_testbed.theory.rules import (
    equivalence,
    ks_check,
    lattice_check,
    mean_check,
    share_check,
)

R, MANY, FEW = 4096, 6144, 2048  # FEW for diffusion laws, which are off by O(k/n)
START = pytest.mark.parametrize("far", [False, True], ids=["from the truth", "from far away"])
FAR = (("mean", (6.0,)), ("factor", ((3.0,),)))  # of a Gaussian with both parameters
MEAN, KNOWN = GaussianModel(learn="mean"), GaussianModel(learn="variance")
# Source, model, column of phi, phi_0, V_0, c and a fit far away.
ONE = {
    "bernoulli": (BernoulliSource(p=0.3), None, "mean", 0.3, 0.21, -1, (("p", 0.9),)),
    "poisson": (PoissonSource(rate=2.0), None, "mean", 2.0, 2.0, 0, (("rate", 9.0),)),
    "mean": (
        *(GaussianSource(mean=1.0, variance=4.0), MEAN, "mean", 1.0, 4.0, 0),
        (("mean", (20.0,)), ("factor", ((2.0,),))),
    ),
    "exponential": (ExponentialSource(scale=2.0), None, "mean", 2.0, 4.0, 1, (("scale", 9.0),)),
    "known mean": (
        *(GaussianSource(mean=1.0, variance=2.0), KNOWN, "variance", 2.0, 8.0, 2),
        (("mean", (1.0,)), ("factor", ((4.0,),))),
    ),
}
SETTLED = [(name, n, k) for name in list(ONE)[:3] for n, k in ((50, 1), (100, 5), (200, 20))]
SETTLED += [("exponential", n, k) for n, k in ((50, 5), (100, 10), (200, 25))]
SETTLED += [("known mean", n, k) for n, k in ((50, 20), (100, 25), (200, 40))]


def after(n, k):
    return 10 * n // k


def settled(source, n, k, far, model=None, chains=R):
    """The generation after 10 n/k refits with k fresh rows; ``far`` is a start or False."""
    t, policy = after(n, k), Anchor(k=k, source="fresh")
    return simulated(source, n, (t,), policy, model, chains, start=far or None)[t]


def settled_phi(name, n, k, far):
    source, model, column, *_, start = ONE[name]
    light = name == "bernoulli" or (far and name in ("poisson", "mean"))
    chains = R // 2 if light else R
    return settled(source, n, k, far and start, model, chains).record[column].numpy()


@START
@pytest.mark.parametrize(("name", "n", "k"), SETTLED)
def test_fresh_rows_hold_the_mean_at_the_truth_with_this_variance(name, n, k, far):
    _, _, _, truth, variance, c, _ = ONE[name]
    phi = settled_phi(name, n, k, far)
    assert mean_check(phi, truth, scale=math.sqrt(variance)).verdict == "pass"
    law = anchors.stationary_spread(k, n, variance, c)
    assert mean_check((phi - truth) ** 2, law).verdict == "pass"


DIFFUSION = [
    ("bernoulli", 100, 5, 1 / 100, stationary.bernoulli_law(5, 0.3)),
    ("bernoulli", 100, 8, 1 / 100, stationary.bernoulli_law(8, 0.3)),
    ("bernoulli", 200, 20, 1 / 200, stationary.bernoulli_law(20, 0.3)),
    ("poisson", 50, 1, 1 / 50, stationary.poisson_law(1, 2.0)),
    ("poisson", 100, 5, 1 / 100, stationary.poisson_law(5, 2.0)),
    ("poisson", 200, 20, 1 / 200, stationary.poisson_law(20, 2.0)),
    ("exponential", 100, 1, 0, stationary.exponential_law(1, 2.0)),
    ("exponential", 100, 10, 0, stationary.exponential_law(10, 2.0)),
    ("exponential", 200, 25, 0, stationary.exponential_law(25, 2.0)),
    ("known mean", 50, 1, 0, stationary.known_mean_variance_law(1, 2.0)),
    ("known mean", 100, 10, 0, stationary.known_mean_variance_law(10, 2.0)),
    ("known mean", 200, 25, 0, stationary.known_mean_variance_law(25, 2.0)),
]


@START
@pytest.mark.parametrize(
    ("name", "n", "k", "spacing", "law"), DIFFUSION, ids=lambda x: str(x)[:12]
)
def test_stationary_laws_of_the_diffusion_limit(name, n, k, spacing, law, far):
    assert ks_check(settled_phi(name, n, k, far)[:FEW], law, spacing).verdict == "pass"


@START
@pytest.mark.parametrize(("n", "k"), [(50, 1), (100, 5), (200, 20)])
def test_exact_stationary_law_of_a_bernoulli(n, k, far):
    ones = np.rint(n * settled_phi("bernoulli", n, k, far)).astype(int)
    law = chain.stationary(chain.anchored_transition(n, k, 0.3))
    assert lattice_check(ones, law).verdict == "pass"


PLANE = [(50, 2, (0.5, 0.3, 0.2)), (100, 5, (0.7, 0.1, 0.1, 0.1)), (200, 20, (0.4, 0.35, 0.25))]


def settled_shares(n, k, shares, far):
    start = far and (("shares", (0.0,) * (len(shares) - 1) + (1.0,)),)
    return settled(CategoricalSource(probs=shares), n, k, start, None, R // 2)


@START
@pytest.mark.parametrize(("n", "k", "shares"), PLANE)
def test_gini_and_dirichlet_law_of_a_categorical_law(n, k, shares, far):
    g = settled_shares(n, k, shares, far)
    first = 1 - sum(p**2 for p in shares)
    law = anchors.stationary_gini(k, n, first)
    assert mean_check(g.record["heterozygosity"], law).verdict == "pass"
    phi = g.weights["shares"].numpy()
    spread = anchors.stationary_spread(k, n, 1.0, -1)
    together = shares[0] * shares[1] * (1 - spread)  # E phi_1 phi_2
    assert mean_check(phi[:, 0] * phi[:, 1], together).verdict == "pass"
    counts, matrix = np.rint(n * phi).astype(int), chain.anchored_transition(n, k, shares[0])
    assert lattice_check(counts[:, 0], chain.stationary(matrix)).verdict == "pass"
    alpha = stationary.categorical_law(k, shares).alpha
    merged = stats.beta(alpha[:2].sum(), alpha[2:].sum())  # a Dirichlet law's sums are Beta
    if k > 2:  # farther from the ends than a few rows
        assert ks_check(phi[:FEW, :2].sum(1), merged, 1 / n).verdict == "pass"


BOTH = [(50, 5), (100, 10), (200, 20)]


def settled_gaussian(n, k, far, ddof=0):
    start = far and FAR
    source = GaussianSource(mean=1.0, variance=4.0)
    return settled(source, n, k, start, GaussianModel(ddof=ddof)).record


@START
@pytest.mark.parametrize(("n", "k"), BOTH)
def test_a_gaussian_of_both_parameters_settles(n, k, far):
    """ddof = 0."""
    record = settled_gaussian(n, k, far)
    drift, fitted = anchors.stationary_gaussian(k, n, 4.0)
    assert mean_check((record["mean"] - 1) ** 2, drift).verdict == "pass"
    assert mean_check(record["variance"], fitted).verdict == "pass"


RARE = [(50, 2, 0.05, 7168), (100, 4, 0.03, 8192), (200, 10, 0.01, 12_288)]  # and chains


@START
@pytest.mark.parametrize(("n", "k", "p", "chains"), RARE)
def test_a_rare_class_is_not_protected(n, k, p, chains, far):
    """The Beta law's mass below half a row is within 0.03."""
    start = far and (("p", 0.9),)
    share = settled(BernoulliSource(p=p), n, k, start, None, chains).record["mean"].numpy()
    law = chain.stationary(chain.anchored_transition(n, k, p))
    absent = share == 0
    assert share_check(int(absent.sum()), chains, law[0], 0.05).verdict == "pass"
    assert lattice_check(np.rint(n * share).astype(int), law).verdict == "pass"
    assert equivalence(absent - stationary.absence(k, n, p), 0.03).verdict == "pass"
    cv = stationary.share_cv(k, n, p)
    assert mean_check((share / p - 1) ** 2, cv**2).verdict == "pass"


@START
@pytest.mark.parametrize("p", [0.05, 0.1, 0.2])
def test_rows_that_keep_a_share_steady(p, far):
    k = round(float(stationary.rows_for_cv(p, 0.5)))
    share = settled(BernoulliSource(p=p), 200, k, far and (("p", 0.9),)).record["mean"]
    cv = float(((share / p - 1) ** 2).mean().sqrt())
    assert 0.45 < cv < 0.55
    assert (
        mean_check((share / p - 1) ** 2, stationary.share_cv(k, 200, p) ** 2).verdict == "pass"
    )


SCHEDULES = [((50,) * 8, 5), ((30, 60, 40, 80, 50), 3), ((60,) * 5, 20)]
REUSE = pytest.mark.parametrize("reuse", ["fresh", "pool", "fixed"])


@REUSE
@pytest.mark.parametrize(("sizes", "k"), SCHEDULES, ids=["equal", "changing", "many"])
@pytest.mark.parametrize("name", ONE)
def test_the_way_there(name, sizes, k, reuse):
    """Averaged over the real rows, pool or fixed."""
    source, model, column, truth, variance, c, _ = ONE[name]
    law = anchors.anchored_spread(sizes, k, variance, c, reuse)
    times, policy = (2, len(sizes)), Anchor(k=k, source=reuse)
    for t, g in simulated(source, sizes, times, policy, model, MANY).items():
        phi = g.record[column]
        assert mean_check(phi, truth, scale=math.sqrt(variance)).verdict == "pass"
        assert mean_check((phi - truth) ** 2, law[t - 1]).verdict == "pass"


@REUSE
@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize(("sizes", "k"), SCHEDULES, ids=["equal", "changing", "many"])
def test_the_way_there_of_a_gaussian(sizes, k, ddof, reuse):
    source = GaussianSource(mean=1.0, variance=4.0)
    drift, fitted = anchors.anchored_gaussian(sizes, k, 4.0, ddof, reuse)
    times, policy = (2, len(sizes)), Anchor(k=k, source=reuse)
    for t, g in simulated(source, sizes, times, policy, GaussianModel(ddof=ddof), R).items():
        assert mean_check((g.record["mean"] - 1) ** 2, drift[t - 1]).verdict == "pass"
        assert mean_check(g.record["variance"], fitted[t - 1]).verdict == "pass"


FIXED = [("bernoulli", 50, 2), ("bernoulli", 50, 5), ("bernoulli", 100, 10)]
FIXED += [("poisson", 50, 2), ("exponential", 100, 10), ("mean", 100, 4)]


@START
@pytest.mark.parametrize(("name", "n", "k"), FIXED)
def test_fixed_rows_become_the_truth(name, n, k, far):
    """The anchors' own mean a, with V(a); their own variance does not matter."""
    source, model, column, _, _, c, start = ONE[name]
    t, policy = after(n, k), Anchor(k=k, source="fixed")
    rows = fixed_rows(source, policy, n, model, R)
    a = rows["mean"][:, 0] if name == "mean" else next(iter(rows.values())) / k
    V = {"bernoulli": a * (1 - a), "poisson": a, "exponential": a**2, "mean": 4.0 + 0 * a}[name]
    law = anchors.stationary_spread_reused(k, n, k, 0.0, V, c)
    run = simulated(source, n, (t,), policy, model, R, start=start if far else None)[t]
    gap = run.record[column].numpy() - a
    assert mean_check(gap, 0, scale=math.sqrt(law.mean())).verdict == "pass"
    assert mean_check(gap**2 - law, 0, scale=law.mean()).verdict == "pass"


@START
@pytest.mark.parametrize(("n", "k"), [(50, 5), (100, 10), (100, 20)])
def test_fixed_rows_of_a_gaussian_become_the_truth(n, k, far):
    """ddof = 0; a single fixed row has no variance, and the fit collapses."""
    t, policy, source = after(n, k), Anchor(k=k, source="fixed"), GaussianSource(variance=4.0)
    rows = fixed_rows(source, policy, n, GaussianModel(), R)
    a, v = rows["mean"][:, 0], rows["scatter"][:, 0, 0] ** 2 / k
    law = anchors.stationary_spread_reused(k, n, k, v, v, -1)
    start = FAR if far else None
    record = simulated(source, n, (t,), policy, None, R, start=start)[t].record
    gap = record["mean"].numpy() - a
    assert mean_check(gap**2 - law, 0, scale=law.mean()).verdict == "pass"
    assert mean_check(record["variance"].numpy() - (v - law), 0, scale=4.0).verdict == "pass"


POOLS = [(40, 50, 5), (50, 100, 10), (30, 60, 20)]  # its rows, n and k


def pooled(source, rows, n, k, far, model=None):
    """The pool's fit (t = 1) and the stationary generation, from any start."""
    t, policy = after(n, k), Anchor(k=k, source="pool")
    sizes, chains = (rows,) + (n,) * (t - 1), 2048
    first = simulated(source, sizes[:1], (1,), policy, model, chains)[1]
    return first, simulated(source, sizes, (t,), policy, model, chains, start=far or None)[t]


@START
@pytest.mark.parametrize(("rows", "n", "k"), POOLS)
@pytest.mark.parametrize("name", ["bernoulli", "mean"])
def test_a_pool_becomes_the_truth(name, rows, n, k, far):
    source, model, column, _, _, c, start = ONE[name]
    first, last = pooled(source, rows, n, k, far and start, model)
    a = first.record[column].numpy()
    if name == "mean":
        v = first.statistic["scatter"][:, 0, 0].numpy() ** 2 / rows
        law = anchors.stationary_spread_reused(k, n, rows, v, 4.0, c)
    else:
        law = anchors.stationary_spread_reused(k, n, rows, a * (1 - a), a * (1 - a), c)
    gap = last.record[column].numpy() - a
    assert mean_check(gap, 0, scale=math.sqrt(law.mean())).verdict == "pass"
    assert mean_check(gap**2 - law, 0, scale=law.mean()).verdict == "pass"


@START
@pytest.mark.parametrize(("rows", "n", "k"), POOLS)
def test_a_pool_becomes_the_truth_of_a_gaussian(rows, n, k, far):
    start = far and FAR
    first, last = pooled(GaussianSource(variance=4.0), rows, n, k, start)
    a, v = first.record["mean"].numpy(), first.record["variance"].numpy()
    law = anchors.stationary_spread_reused(k, n, rows, v, v, -1)
    gap = last.record["mean"].numpy() - a
    assert mean_check(gap**2 - law, 0, scale=law.mean()).verdict == "pass"
    assert (
        mean_check(last.record["variance"].numpy() - (v - law), 0, scale=4.0).verdict == "pass"
    )


ONE_FIXED = Anchor(k=1, source="fixed")


@pytest.mark.parametrize(("n", "p"), [(20, 0.3), (50, 0.5), (100, 0.8)])
def test_one_fixed_row_absorbs_a_bernoulli(n, p):
    source = BernoulliSource(p=p)
    x0 = fixed_rows(source, ONE_FIXED, n, None, R // 2)["ones"]
    runs = simulated(source, n, (1, n // 2, n, 8 * n), ONE_FIXED, None, R // 2)
    for anchor in (0, 1):
        mine = x0 == anchor
        for t in (1, n // 2, n):
            law = anchors.fixed_one_bernoulli(t, n, p, anchor)
            gap = abs(runs[t].record["mean"].numpy() - anchor)[mine]
            assert mean_check(gap, law, scale=abs(p - anchor)).verdict == "pass"
        elsewhere = runs[8 * n].record["mean"].numpy()[mine] != anchor
        bound = n * anchors.fixed_one_bernoulli(8 * n, n, p, anchor)
        assert elsewhere.mean() <= bound + 4 * math.sqrt(bound / mine.sum())


@pytest.mark.parametrize("n", [10, 20, 50])
def test_one_fixed_row_does_not_slow_a_gaussians_collapse(n):
    """ddof = 0."""
    source = GaussianSource(mean=1.0, variance=4.0)
    x0 = fixed_rows(source, ONE_FIXED, n, None, R)["mean"][:, 0]
    first = 4.0 + (x0 - 1.0) ** 2
    for t, g in simulated(source, n, (1, n // 2, n), ONE_FIXED, None, R).items():
        energy = g.record["variance"].numpy() + (g.record["mean"].numpy() - x0) ** 2
        law = anchors.fixed_gaussian_energy(t, n, 1.0)
        assert mean_check(energy / first, law).verdict == "pass"
        assert mean_check(energy, anchors.fixed_gaussian_energy(t, n, 8.0)).verdict == "pass"


@pytest.mark.parametrize("k", [1, 4, 10])
@pytest.mark.parametrize("name", list(ONE)[:4])
def test_the_baseline_keeps_all_real_rows(name, k):
    """And beats k fresh rows a generation."""
    source, model, column, truth, variance, *_ = ONE[name]
    for t, g in simulated(source, (k,) * 30, (2, 10, 30), Collect(k=k), model).items():
        law = anchors.real_only_spread(k, t, variance)
        values = (g.record[column] - truth) ** 2
        assert mean_check(values, law).verdict == "pass"
        if t == 30:
            anchored = anchors.stationary_spread(k, 100, variance, 0)
            assert mean_check(values, anchored).verdict == "fail"


def test_wrong_laws_fail():
    """k doubled, another family, the diffusion of another k, fixed or pool taken for fresh."""
    for name, n, k in SETTLED[::3]:
        _, _, _, truth, variance, c, _ = ONE[name]
        values = (settled_phi(name, n, k, far=False) - truth) ** 2
        for wrong in ((2 * k, c), (k, c - 2), (k, c + 2)):
            law = anchors.stationary_spread(wrong[0], n, variance, wrong[1])
            if k == 1 or wrong[1] == c:
                assert mean_check(values, law).verdict == "fail"
    phi = settled_phi("poisson", 100, 5, far=False)[:FEW]
    assert ks_check(phi, stationary.poisson_law(10, 2.0), 1 / 100).verdict == "fail"
    ones = np.rint(50 * settled_phi("bernoulli", 50, 1, far=False)).astype(int)
    for n, k, p in ((50, 2, 0.3), (50, 1, 0.35)):
        law = chain.stationary(chain.anchored_transition(n, k, p))
        assert lattice_check(ones, law).verdict == "fail"
    source, model, column, truth, variance, c, _ = ONE["mean"]
    (sizes, k), run = SCHEDULES[0], {}
    for reuse in ("fresh", "pool", "fixed"):
        runs = simulated(source, sizes, (2, len(sizes)), Anchor(k=k, source=reuse), model, MANY)
        run[reuse] = (runs[len(sizes)].record[column] - truth) ** 2
    for made, taken in (("fresh", "fixed"), ("pool", "fresh"), ("fixed", "pool")):
        law = anchors.anchored_spread(sizes, k, variance, c, taken)[-1]
        assert mean_check(run[made], law).verdict == "fail"


def test_wrong_laws_of_both_parameters_and_of_one_fixed_row_fail():
    drift, fitted = anchors.stationary_gaussian(10, 50, 4.0)
    record = settled_gaussian(50, 5, far=False)
    assert mean_check((record["mean"] - 1) ** 2, drift).verdict == "fail"
    assert mean_check(record["variance"], fitted).verdict == "fail"
    unbiased = settled_gaussian(50, 5, False, ddof=1)["variance"]
    assert mean_check(unbiased, anchors.stationary_gaussian(5, 50, 4.0)[1]).verdict == "fail"
    n, source = 20, BernoulliSource(p=0.3)
    ones = fixed_rows(source, ONE_FIXED, n, None, R // 2)["ones"] == 1
    runs = simulated(source, n, (1, 10, 20, 160), ONE_FIXED, None, R // 2)
    gap = 1 - runs[20].record["mean"].numpy()[ones]
    for t, rows in ((10, 20), (20, 40)):
        law = anchors.fixed_one_bernoulli(t, rows, 0.3, 1)
        assert mean_check(gap, law, scale=0.7).verdict == "fail"


def test_a_run_shorter_than_n_over_k_shows_nothing():
    """It is still where it began (T5)."""
    source, *_, truth, variance, c, start = ONE["bernoulli"]
    policy = Anchor(k=1, source="fresh")
    law = anchors.stationary_spread(1, 100, variance, c)
    for begin in (None, start):
        phi = simulated(source, 100, (20,), policy, None, R, start=begin)[20].record["mean"]
        assert mean_check((phi - truth) ** 2, law).verdict == "fail"


def test_too_few_chains_are_inconclusive():
    *_, truth, variance, c, _ = ONE["bernoulli"]
    phi = settled_phi("bernoulli", 50, 1, far=False)[:100]
    law = anchors.stationary_spread(1, 50, variance, c)
    assert mean_check((phi - truth) ** 2, law).verdict == "inconclusive"
    exact = chain.stationary(chain.anchored_transition(50, 1, 0.3))
    assert lattice_check(np.rint(50 * phi).astype(int), exact).verdict == "inconclusive"
    assert share_check(int((phi == 0).sum()), 100, exact[0]).verdict == "inconclusive"
