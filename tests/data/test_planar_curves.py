import math

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.datasets import make_moons, make_swiss_roll

from nc_testbed.data.planar_curves import Moons, SwissRoll


def test_moons_lie_on_their_half_circles():
    data = Moons(noise=0.0, rows=4000).load(1, 0, 0, 1)
    assert data.y is not None
    x, y = data.x[0].numpy(), data.y[0].numpy()
    for moon, centre, sign in ((0, (0, 0), 1), (1, (1, 0.5), -1)):
        rows = (x[y == moon] - centre) * sign
        angle = np.arctan2(rows[:, 1], rows[:, 0])
        assert np.allclose(np.hypot(*rows.T), 1)
        assert (angle > -1e-9).all()
        assert kstest(angle, "uniform", args=(0, math.pi)).pvalue > 1e-4


def test_swiss_roll_lies_on_its_spiral():
    x = SwissRoll(noise=0.0, rows=4000).load(1, 0, 0, 1).x[0].numpy()
    t = np.hypot(*x.T)
    assert np.allclose(x, np.stack([t * np.cos(t), t * np.sin(t)], 1))
    assert kstest(t, "uniform", args=(1.5 * math.pi, 3 * math.pi)).pvalue > 1e-4


@pytest.mark.parametrize("kind", ["moons", "swiss_roll"])
def test_moments_are_those_of_scikit_learn(kind):
    n = 20_000
    if kind == "moons":
        ours = Moons(noise=0.3, rows=n).load(1, 0, 0, 1).x[0].numpy()
        theirs = make_moons(n, noise=0.3, random_state=0)[0]
    else:
        ours = SwissRoll(noise=0.5, rows=n).load(1, 0, 0, 1).x[0].numpy()
        theirs = make_swiss_roll(n, noise=0.5, random_state=0)[0][:, [0, 2]]
    for f in (lambda x: x, lambda x: x**2, lambda x: x[:, :1] * x[:, 1:]):
        a, b = f(ours), f(theirs)
        error = np.sqrt((a.var(0) + b.var(0)) / n)
        assert (np.abs(a.mean(0) - b.mean(0)) < 4 * error).all()


def test_noise_is_gaussian_of_the_given_size():
    plain, noisy = (Moons(noise=s, rows=4000).load(1, 0, 0, 1).x for s in (0.0, 0.2))
    residual = ((noisy - plain) / 0.2).flatten().numpy()
    assert kstest(residual, "norm").pvalue > 1e-4
