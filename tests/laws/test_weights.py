"""Weighting real against synthetic rows (E1, E3), by the engine's policy and written out."""

from functools import cache

import numpy as np
import pytest
import torch
from laboratory import CHAINS, simulated_rows, streams

from nc_testbed.families.categorical import Categorical
from nc_testbed.families.gaussian import Gaussian, GaussianModel, GaussianSource
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.weighted import Weighted
from nc_testbed.theory import weights
from nc_testbed.theory.rules import mean_check, share_check

VARIANCE, R = 4.0, 4096
WEIGHED = [(20, 20, 0.5), (10, 40, 0.2), (50, 10, 0.9)]  # n real, m synthetic rows, weight


@cache
def risk(n, m, weight):
    """n/s^2 times squared errors of the weighted mean after 40/w refits, from far away."""
    family, factor = Gaussian(1), torch.full((R, 1, 1), VARIANCE**0.5).double()
    truth = {"mean": torch.zeros(R, 1).double(), "factor": factor}
    fit = {"mean": truth["mean"] + 5, "factor": factor}
    for t in range(int(40 / weight)):
        real = family.draw(truth, n, streams(t, R), "real").values["mean"]
        synthetic = family.draw(fit, m, streams(t, R), "synthetic").values["mean"]
        fit["mean"] = weight * real + (1 - weight) * synthetic
    return n / VARIANCE * fit["mean"][:, 0] ** 2


@pytest.mark.parametrize(("n", "m", "weight"), WEIGHED)
def test_risk_of_a_weight(n, m, weight):
    law = weights.weighted_risk(weight, n / m)
    assert mean_check(risk(n, m, weight), law).verdict == "pass"


def run(real, synthetic, weight):
    """The same by the engine's policy, from the truth; None is the golden weight."""
    policy, rows = Weighted(Anchor(k=real, source="fresh"), weight), real + synthetic
    source, model = GaussianSource(variance=VARIANCE), GaussianModel(learn="mean")
    record = simulated_rows(source, (real, *(rows,) * 4), (5,), policy, model, 1200)[5]
    return real / VARIANCE * record["mean"] ** 2


@pytest.mark.parametrize(
    ("real", "synthetic", "weight"), [(8, 8, 0.6), (6, 12, 0.5), (10, 5, None)]
)
def test_risk_of_a_weighted_policy(real, synthetic, weight):
    ratio = real / synthetic
    law = weights.weighted_risk(
        weights.golden_weight(ratio) if weight is None else weight, ratio
    )
    assert mean_check(run(real, synthetic, weight), law).verdict == "pass"


@pytest.mark.parametrize(("n", "m"), [(20, 20), (10, 40), (50, 10)])
def test_the_golden_weight_is_its_own_risk_and_no_other_is_better(n, m):
    best = float(weights.golden_weight(n / m))
    assert mean_check(risk(n, m, best), best).verdict == "pass"
    for other in (best / 2, 1.0):
        values = risk(n, m, other)
        check = mean_check(values, best)
        assert check.verdict == "fail" and check.z > 0


@cache
def oracle(n, p, t):
    """Chains in which a class of share p is still there at refits 1..t, ``[t]``.

    Samples get the weights that restore the true shares; the other class is never lost.
    """
    truth, family = torch.tensor([[p, 1 - p]], dtype=torch.float64), Categorical(2)
    shares, alive = truth.expand(CHAINS, 2), []
    for refit in range(t):
        counts = family.draw({"shares": shares}, n, streams(refit), "oracle").values["counts"]
        kept = counts / n
        weight = torch.where(kept > 0, truth / kept, 0.0)
        shares = kept * weight / (kept * weight).sum(1, keepdim=True)
        alive.append(int((shares[:, 0] > 0).sum()))
    return np.array(alive)


ORACLE = [(20, 0.1), (50, 0.05), (100, 0.02)]


@pytest.mark.parametrize(("n", "p"), ORACLE)
def test_an_oracle_only_delays_the_loss_of_a_class(n, p):
    alive = oracle(n, p, 60)
    assert (np.diff(alive) <= 0).all()  # a lost class stays lost
    for t in (1, 10, 60):
        law = weights.oracle_survival(t, n, p)
        assert share_check(alive[t - 1], CHAINS, law, 0.03).verdict == "pass"


def test_wrong_laws_fail():
    """The weight of the other rows, the ratio upside down, t off by one, another n."""
    n, m, weight = WEIGHED[1]
    values = risk(n, m, weight)
    for w, ratio in ((1 - weight, n / m), (weight, m / n), (weight, n / m * 1.2)):
        assert mean_check(values, weights.weighted_risk(w, ratio)).verdict == "fail"
    for w in (0.4, 0.9):
        assert mean_check(run(8, 8, 0.6), weights.weighted_risk(w, 1.0)).verdict == "fail"
    n, p = ORACLE[0]
    alive = oracle(n, p, 60)
    for t, rows in ((9, n), (11, n), (10, n + 1)):
        law = weights.oracle_survival(t, rows, p)
        assert share_check(alive[9], CHAINS, law, 0.03).verdict == "fail"


def test_too_few_chains_are_inconclusive():
    n, m, weight = WEIGHED[0]
    law = weights.weighted_risk(weight, n / m)
    assert mean_check(risk(n, m, weight)[:200], law).verdict == "inconclusive"
    few = oracle(*ORACLE[0], 60)[9] // 200
    law = weights.oracle_survival(10, *ORACLE[0])
    assert share_check(few, CHAINS // 200, law).verdict == "inconclusive"
