"""Every estimator is the maximum of the objective it states, found here by numerical search."""

import numpy as np
import pytest
import torch
from scipy import optimize, special

from nc_testbed.core.errors import BadInput
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.family import Statistic
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.families.bernoulli import Bernoulli, BernoulliModel, BernoulliSource
from nc_testbed.families.categorical import CategoricalModel, CategoricalSource
from nc_testbed.families.estimator import FamilyModel, bisect, posterior_mean
from nc_testbed.families.exponential import ExponentialModel, ExponentialSource
from nc_testbed.families.gaussian import GaussianModel, GaussianSource
from nc_testbed.families.ising import IsingModel, IsingSource
from nc_testbed.families.linear import LinearModel
from nc_testbed.families.poisson import PoissonModel, PoissonSource
from nc_testbed.models.kde import KDE


def double(values):
    return torch.tensor(values, dtype=torch.float64)


# A one-parameter family: its log partition function psi of the natural parameter t with two
# derivatives, an interval of t to search, the name of its statistic and of its parameter, and
# the parameter at a mean of the statistic per row.
N = 6
ONE = {
    "bernoulli": (
        BernoulliModel(prior_mean=0.3),
        (
            lambda t: np.logaddexp(0, t),
            special.expit,
            lambda t: special.expit(t) * special.expit(-t),
        ),
        (-30, 30),
        ("ones", "p", lambda mean: mean),
        [1.0, 3.0, 6.5],
    ),
    "poisson": (
        PoissonModel(prior_mean=0.8),
        (np.exp, np.exp, np.exp),
        (-30, 5),
        ("sum", "rate", lambda mean: mean),
        [1.0, 6.0, 40.0],
    ),
    "exponential": (
        ExponentialModel(prior_mean=0.8),
        (lambda t: -np.log(-t), lambda t: -1 / t, lambda t: 1 / t**2),
        (-100, -1e-3),
        ("sum", "scale", lambda mean: mean),
        [0.5, 6.0, 40.0],
    ),
    "spins": (
        IsingModel(spins=N, prior_mean=0.2),
        (
            lambda t: N * np.log(2 * np.cosh(t)),
            lambda t: N * np.tanh(t),
            lambda t: N / np.cosh(t) ** 2,
        ),
        (-30, 30),
        ("ups", "up", lambda mean: (mean / N + 1) / 2),
        [4.0, 18.0, 35.0],
    ),
}
ROWS = 8


def totals(name, given):
    """Sums over rows of the statistic that goes with t: of an Ising model the magnetisation."""
    return 2 * given - N * ROWS if name == "spins" else given


def prior_total(name, model):
    """The statistic of a row of the prior."""
    return N * model.prior_mean if name == "spins" else model.prior_mean


def search(objective, interval):
    found = optimize.minimize_scalar(
        lambda t: -objective(t), bounds=interval, method="bounded", options={"xatol": 1e-12}
    )
    return found.x


@pytest.mark.parametrize("coordinates", ["natural", "mean"])
@pytest.mark.parametrize("estimator", ["mle", "map", "l2"])
@pytest.mark.parametrize("name", ONE)
def test_one_parameter(name, estimator, coordinates):
    base, (psi, mean, curvature), interval, (statistic, parameter, of_mean), given = ONE[name]
    if (estimator, coordinates) == ("l2", "mean"):
        with pytest.raises(BadInput, match=r"^coordinates=mean: "):
            type(base)(estimator=estimator, coordinates=coordinates)
        return
    settings = {"estimator": estimator, "coordinates": coordinates}
    shared = {"prior_count": 3.5, "penalty": 0.2, "prior_mean": base.prior_mean}
    if name == "spins":
        shared["spins"] = N
    model = type(base)(**settings, **shared)
    fit = model.estimate(Statistic(ROWS, {statistic: double(given)}))[parameter]
    for total, found in zip(given, fit.tolist(), strict=True):
        T, n = totals(name, total), ROWS
        if estimator == "map":
            T, n = T + 3.5 * prior_total(name, model), n + 3.5

        def objective(t, T=T, n=n):
            if estimator == "l2":
                return T / n * t - psi(t) - 0.2 / 2 * t**2
            jacobian = (
                np.log(curvature(t)) if (estimator, coordinates) == ("map", "mean") else 0
            )
            return T * t - n * psi(t) - jacobian

        t = search(objective, interval)
        assert found == pytest.approx(of_mean(mean(t)), rel=1e-5)


@pytest.mark.parametrize("name", ONE)
def test_a_mode_beyond_the_boundary_is_on_it(name):
    base, *_, (statistic, parameter, _), _ = ONE[name]
    settings = {"spins": N} if name == "spins" else {}
    settings |= {
        "estimator": "map",
        "coordinates": "mean",
        "prior_count": 0.1,
        "prior_mean": 1.0,
    }
    model = type(base)(**settings)
    least = model.least_rows()
    low = model.estimate(Statistic(least, {statistic: double([0.0])}))[parameter]
    assert low.item() == (0 if name != "exponential" else pytest.approx(0.1 / (least + 2.1)))
    if name in ("bernoulli", "spins"):
        most = double([float(least * (N if name == "spins" else 1))])
        assert model.estimate(Statistic(least, {statistic: most}))[parameter] == 1


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("estimator", ["map", "l2"])
def test_a_regularised_fit_is_never_absorbed(name, estimator):
    base, *_, (statistic, parameter, _), _ = ONE[name]
    settings = {"spins": N} if name == "spins" else {}
    model = type(base)(estimator=estimator, prior_mean=0.4, **settings)
    fit = model.estimate(Statistic(10, {statistic: double([0.0])}))[parameter]
    assert fit.item() > 0


def test_the_uniform_prior_is_the_mle_in_mean_coordinates_and_add_one_in_natural_ones():
    ones = Statistic(10, {"ones": double([0.0, 3.0, 10.0])})
    uniform = {"prior_count": 2.0, "prior_mean": 0.5, "estimator": "map"}
    mode = BernoulliModel(coordinates="mean", **uniform).estimate(ones)["p"]
    torch.testing.assert_close(mode, ones.values["ones"] / 10)
    laplace = BernoulliModel(coordinates="natural", **uniform).estimate(ones)["p"]
    torch.testing.assert_close(laplace, (ones.values["ones"] + 1) / 12)


@pytest.mark.parametrize(
    ("make", "curve"),
    [
        (lambda A: BernoulliModel(estimator="map", coordinates="mean", prior_count=A), -1.0),
        (
            lambda A: IsingModel(spins=3, estimator="map", coordinates="mean", prior_count=A),
            -1 / 3,
        ),
        (
            lambda A: CategoricalModel(
                classes=7, estimator="map", coordinates="mean", prior_count=A
            ),
            -3.5,
        ),
    ],
)
def test_the_fewest_rows_are_the_fewest_that_divide_by_a_positive_number(make, curve):
    for A in (0.0, 0.5, 1.0, 2.0, 2.5, 6.5, 9.0):
        least = make(A).least_rows()
        assert least + A + 2 * curve > 0
        assert least == 1 or least - 1 + A + 2 * curve <= 0
    assert BernoulliModel().least_rows() == 1


def test_bisection_ends_at_the_last_bit():
    targets = double([1e-9, 0.3, 7.0])
    root = bisect(
        lambda x: x**3 - targets, torch.zeros(3).double(), torch.full((3,), 10.0).double()
    )
    torch.testing.assert_close(root, targets ** (1 / 3), rtol=1e-15, atol=0)


def test_the_mode_is_shrunk_towards_the_prior():
    model = PoissonModel(estimator="map", prior_count=2.0, prior_mean=5.0)
    found = posterior_mean(model, double([0.0, 30.0]), 10, 5.0, slope=1, curve=0)
    assert found.tolist() == pytest.approx([10 / 12, 40 / 12])


# Settings that are out of range, of all models.
REFUSED = [
    (BernoulliModel, {"prior_count": -0.1}),
    (BernoulliModel, {"penalty": 0.0}),
    (BernoulliModel, {"prior_mean": 1.1}),
    (BernoulliModel, {"prior_mean": -0.1}),
    (PoissonModel, {"prior_mean": 0.0}),
    (PoissonModel, {"penalty": -1.0}),
    (ExponentialModel, {"prior_mean": -2.0}),
    (ExponentialModel, {"prior_count": -2.0}),
    (CategoricalModel, {"classes": 1}),
    (CategoricalModel, {"prior_mean": (0.5, 0.4)}),
    (CategoricalModel, {"prior_mean": (1.5, -0.5)}),
    (CategoricalModel, {"prior_mean": (0.5, 0.5), "classes": 3}),
    (CategoricalModel, {"prior_count": -1.0}),
    (GaussianModel, {"dim": 0}),
    (GaussianModel, {"dim": 101}),
    (GaussianModel, {"variance": 0.0}),
    (GaussianModel, {"prior_variance": 0.0}),
    (GaussianModel, {"ddof": 1, "learn": "variance"}),
    (GaussianModel, {"ddof": 1, "estimator": "map"}),
    (GaussianModel, {"estimator": "l2", "dim": 2}),
    (GaussianModel, {"coordinates": "mean", "estimator": "l2"}),
    (IsingModel, {"spins": 1}),
    (IsingModel, {"spins": 1001}),
    (IsingModel, {"prior_mean": 1.5}),
    (IsingModel, {"coordinates": "mean", "learn": "both"}),
    (LinearModel, {"dim": 0}),
    (LinearModel, {"noise": 0.0}),
    (LinearModel, {"coordinates": "mean"}),
    (KDE, {"bandwidth": 0.0}),
    (KDE, {"bandwidth": -1.0}),
]


@pytest.mark.parametrize(("model", "settings"), REFUSED, ids=str)
def test_settings_out_of_range_are_refused(model, settings):
    with pytest.raises(BadInput) as error:
        model(**settings)
    assert error.value.key in settings
    assert "\n" not in str(error.value)


MODELS = [BernoulliModel, CategoricalModel, PoissonModel, ExponentialModel, GaussianModel,
          IsingModel, LinearModel]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_what_is_left_to_the_data_is_filled_in_or_asked_for(model):
    made = model()
    if model in (CategoricalModel, LinearModel):
        with pytest.raises(BadInput):
            made.like((), 4)
        made = model(classes=3) if model is CategoricalModel else model(noise=1.0)
    filled = made.like((), 4)
    assert isinstance(filled, FamilyModel)
    one = model in (BernoulliModel, CategoricalModel, PoissonModel, ExponentialModel)
    assert filled.family().size == (1 if one else 4)
    filled.check(Space((filled.family().size,), image=False))


@pytest.mark.parametrize("coordinates", ["natural", "mean"])
@pytest.mark.parametrize("estimator", ["mle", "map", "l2"])
@pytest.mark.parametrize("model", MODELS)
def test_an_estimate_is_bitwise_the_same_among_others_and_alone(model, estimator, coordinates):
    try:
        made = model(estimator=estimator, coordinates=coordinates)
    except BadInput:
        return  # refused above
    if not made.stacks(Space((1,), image=False)):
        return  # the loop takes its chains one by one
    source = {
        BernoulliModel: BernoulliSource(p=0.3),
        CategoricalModel: CategoricalSource(classes=11),
        IsingModel: IsingSource(spins=9),
        PoissonModel: PoissonSource(rate=0.7),
        ExponentialModel: ExponentialSource(),
        GaussianModel: GaussianSource(mean=2.0),
    }[model]
    family, truth = source.laws()[0]
    made, R = made.like(source.laws(), family.size), 37
    n = made.least_rows() + 4
    law = {k: v.expand(R, *v.shape[1:]) for k, v in truth.items()}
    statistic = family.draw(law, n, RandomStreams(0, tuple(range(R))), "x")
    with one_thread():
        whole = made.estimate(statistic)
        for r in range(R):
            values = {k: v[r : r + 1].clone() for k, v in statistic.values.items()}
            for name, value in made.estimate(Statistic(n, values)).items():
                assert torch.equal(value[0], whole[name][r]), name


def test_a_fit_measures_itself_against_the_truth_of_its_own_family():
    model = BernoulliModel()
    space = Space((1,), image=False)
    fit = model.restore({"p": double([0.2, 1.0])}, space)
    other = (IsingModel(spins=4).family(), {"up": double([0.9])})
    columns = fit.columns([other, (Bernoulli(), {"p": double([0.5])})])
    assert columns["mean"].tolist() == [0.2, 1.0]
    assert columns["missing_mass"].tolist() == [0.0, 0.5]
    assert fit.report() == {}
