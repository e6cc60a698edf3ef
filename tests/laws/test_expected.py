"""What a run says it should show: its settings against the laws that are looked up for them."""

from dataclasses import replace

import pytest
from laboratory import laboratory, simulated, simulated_rows

from nc_testbed.config.settings import Growth
from nc_testbed.core.interfaces import Generation
from nc_testbed.families.bernoulli import BernoulliModel, BernoulliSource
from nc_testbed.families.categorical import CategoricalSource
from nc_testbed.families.exponential import ExponentialModel, ExponentialSource
from nc_testbed.families.gaussian import GaussianModel, GaussianSource
from nc_testbed.families.ising import IsingModel, IsingSource
from nc_testbed.families.linear import LinearSource
from nc_testbed.families.poisson import PoissonModel, PoissonSource
from nc_testbed.laws.context import LawContext
from nc_testbed.laws.expected import expected_laws
from nc_testbed.models.gmm import GMM
from nc_testbed.models.kde import KDE
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.augment import Augment
from nc_testbed.policies.collect import Collect
from nc_testbed.policies.real import Real
from nc_testbed.policies.replace import Replace
from nc_testbed.record.law_check import law_check
from nc_testbed.record.tables import Trajectories, chain_rows

R = 16_384
COIN, DIE = BernoulliSource(p=0.3), CategoricalSource(probs=(0.4, 0.3, 0.2, 0.1))
COUNTS, WAITS = PoissonSource(rate=2.0), ExponentialSource(scale=2.0)
BELL, CLOUD = (
    GaussianSource(mean=3.0, variance=4.0),
    GaussianSource(mean=1.0, variance=2.0, dim=3),
)
SPINS = IsingSource(spins=5, theta_1=0.3)
PAIRS = IsingSource(spins=5, theta_1=0.2, theta_2=0.1)
LINE = LinearSource(dim=3, noise=0.5)
REPLACE, ACCUMULATE = Replace(), Accumulate()


def fresh(k):
    return Anchor(k=k, source="fresh")


# Source, model (None: the source's own), policy, the rows of every refit, and a budget.
CATALOGUE = {
    "coin replace": (COIN, None, REPLACE, (20,) * 12, None),
    "coin growing": (COIN, None, REPLACE, Growth(10, 2).among(6), None),
    "coin fresh": (COIN, None, fresh(2), (30,) * 15, None),
    "coin pool": (COIN, None, Anchor(k=5, source="pool"), (20,) + (40,) * 9, None),
    "coin fixed": (COIN, None, Anchor(k=3, source="fixed"), (30,) * 8, None),
    "coin fresh budget": (COIN, None, fresh(4), (50,) * 10, 20),
    "coin accumulate": (COIN, None, ACCUMULATE, (20,) * 10, None),
    "coin accumulate budget": (COIN, None, ACCUMULATE, (15,) * 6, 20),
    "coin collect": (COIN, None, Collect(k=4), (4,) + (50,) * 9, None),
    "coin prior": (COIN, BernoulliModel(estimator="map"), REPLACE, (25,) * 9, None),
    "coin prior in mean coordinates": (
        *(COIN, BernoulliModel(estimator="map", coordinates="mean", prior_count=6), REPLACE),
        *((25,) * 9, None),
    ),
    "coin augment": (COIN, None, Augment(), (30,) + (20,) * 7, None),
    "die replace": (DIE, None, REPLACE, (25,) * 6, None),
    "die replace budget": (DIE, None, REPLACE, (40,) * 6, 15),
    "die fresh": (DIE, None, fresh(5), (30,) * 10, None),
    "die accumulate": (DIE, None, ACCUMULATE, (30, 10, 20, 10), None),
    "counts replace": (COUNTS, None, REPLACE, (4,) * 10, None),
    "counts fresh": (COUNTS, None, fresh(5), (30,) * 10, None),
    "counts prior": (COUNTS, PoissonModel(estimator="map"), REPLACE, (30, 40, 20), None),
    "waits replace": (WAITS, None, REPLACE, (40,) * 6, None),
    "waits fixed": (WAITS, None, Anchor(k=10, source="fixed"), (40,) * 6, None),
    "waits accumulate": (WAITS, None, ACCUMULATE, (30,) * 8, None),
    "waits prior": (WAITS, ExponentialModel(estimator="map"), REPLACE, (50,) * 5, None),
    "bell replace": (BELL, None, REPLACE, (20,) * 10, None),
    "bell unbiased": (BELL, GaussianModel(ddof=1), REPLACE, (20,) * 10, None),
    "bell pool": (BELL, None, Anchor(k=10, source="pool"), (30,) * 8, None),
    "bell accumulate": (BELL, GaussianModel(ddof=1), ACCUMULATE, (20, 10, 30, 20), None),
    "bell accumulate budget": (BELL, None, ACCUMULATE, (15,) * 6, 20),
    "bell collect": (BELL, GaussianModel(ddof=1), Collect(k=5), (5,) * 8, None),
    "bell augment": (BELL, None, Augment(), (20, 10, 20, 30, 20), 35),
    "bell mean": (BELL, GaussianModel(learn="mean"), fresh(3), (30,) * 8, None),
    "bell variance": (BELL, GaussianModel(learn="variance"), REPLACE, (50,) * 5, None),
    "cloud replace": (CLOUD, None, REPLACE, (20,) * 6, None),
    "cloud fresh": (CLOUD, None, fresh(6), (30, 20, 40, 30), None),
    "cloud mean": (CLOUD, GaussianModel(learn="mean"), ACCUMULATE, (20,) * 5, None),
    "spins replace": (SPINS, None, REPLACE, (10,) * 15, None),
    "spins fresh": (SPINS, None, fresh(2), (12,) * 10, None),
    "pairs replace": (PAIRS, IsingModel(learn="both"), REPLACE, (30,) * 4, None),
    "line replace": (LINE, None, REPLACE, (30,) * 6, None),
    "line accumulate": (
        *(LinearSource(dim=3, noise=0.5, design="same"), None, ACCUMULATE, (30,) * 6, None),
    ),
    "kernel replace": (BELL, KDE(bandwidth=0.5), REPLACE, (20,) * 6, None),
    "mixture replace": (CLOUD, GMM(components=2), REPLACE, (20,) * 6, None),
    "mixture fresh": (CLOUD, GMM(components=2), fresh(5), (20,) * 6, None),
}


def run(source, model, policy, sizes, budget):
    """A table of the last generation."""
    last = len(sizes)
    if isinstance(model, KDE | GMM) or policy.needs_rows(budget):
        record = simulated_rows(source, sizes, (last,), policy, model, 600, budget)[last]
        return Trajectories.of(chain_rows(Generation(last - 1, {}, record)))
    return Trajectories.of(
        chain_rows(simulated(source, sizes, (last,), policy, model, R, budget)[last])
    )


def laws(source, model, policy, sizes, budget):
    """The laws of these settings."""
    if isinstance(model, KDE | GMM):
        return expected_laws(model, source.laws()[0][1], policy, sizes, budget)
    lab = laboratory(source, policy, sizes, model)
    return expected_laws(lab.model, lab.data.true_parameters[0][1], policy, sizes, budget)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_law_of_these_settings_holds(name):
    table, found = run(*CATALOGUE[name]), laws(*CATALOGUE[name])
    assert found
    checks = {metric: law_check(table, metric, law, 0) for metric, law in found.items()}
    assert {metric: c for metric, c in checks.items() if c.verdict != "pass"} == {}


WRONG = [  # a run, what is wrongly said of it, and a metric that shows it
    ("coin replace", {"sizes": (20,) * 11}, "variance"),
    ("coin replace", {"sizes": (22,) * 12}, "absorbed"),
    ("coin replace", {"policy": fresh(1)}, "heterozygosity"),
    ("coin growing", {"sizes": (10,) * 6}, "variance"),
    ("coin fresh", {"policy": fresh(4)}, "variance"),
    ("coin fresh", {"policy": fresh(3)}, "absorbed"),
    ("coin fresh", {"policy": Anchor(k=2, source="fixed")}, "variance"),
    ("coin pool", {"policy": fresh(5)}, "variance"),
    ("coin fresh budget", {"budget": None}, "variance"),
    ("coin accumulate", {"policy": REPLACE}, "variance"),
    ("coin collect", {"policy": Collect(k=1)}, "variance"),
    ("coin prior", {"model": BernoulliModel(estimator="map", prior_count=3)}, "mean"),
    ("coin augment", {"policy": REPLACE}, "variance"),
    ("bell augment", {"model": GaussianModel(ddof=1)}, "variance"),
    ("coin prior", {"model": None}, "mean"),
    ("die replace", {"source": CategoricalSource(classes=4)}, "mean_1"),
    ("die replace budget", {"budget": 20}, "heterozygosity"),
    ("die fresh", {"policy": fresh(2)}, "missing_mass"),
    ("counts replace", {"sizes": (5,) * 10}, "absorbed"),
    ("waits replace", {"sizes": (40,) * 8}, "log_variance"),
    ("waits replace", {"sizes": (30,) * 6}, "kl"),
    ("bell replace", {"model": GaussianModel(ddof=1)}, "variance"),
    ("bell unbiased", {"model": None}, "log_variance"),
    ("bell pool", {"policy": Anchor(k=20, source="pool")}, "variance"),
    ("bell variance", {"sizes": (50,) * 8}, "log_variance"),
    ("cloud replace", {"sizes": (20,) * 5}, "kl"),
    ("spins replace", {"source": IsingSource(spins=5, theta_1=0.4)}, "mean"),
    ("spins fresh", {"policy": fresh(4)}, "variance"),
    ("pairs replace", {"source": IsingSource(spins=5, theta_1=0.2, theta_2=0.2)}, "mean"),
    ("mixture replace", {"policy": fresh(5)}, "variance"),
    ("mixture fresh", {"policy": REPLACE}, "variance"),
    ("line replace", {"source": LinearSource(dim=3, noise=0.55)}, "risk"),
    ("line accumulate", {"policy": REPLACE}, "risk"),
    ("kernel replace", {"model": KDE(bandwidth=0.7)}, "variance"),
]


@pytest.mark.parametrize(("name", "change", "metric"), WRONG)
def test_a_law_of_other_settings_fails(name, change, metric):
    keys = ("source", "model", "policy", "sizes", "budget")
    settings = dict(zip(keys, CATALOGUE[name], strict=True))
    law = laws(**(settings | change))[metric]
    values = law.values[-1:].repeat(len(settings["sizes"]))  # of its own last refit
    law = replace(law, values=values, sd=None)
    assert law_check(run(*CATALOGUE[name]), metric, law, 0).verdict == "fail"


def test_laws_that_are_not_known_are_not_named():
    """Evidence of nothing: a policy, a model or an estimator without a law."""
    sizes = (20,) * 5
    assert laws(COIN, None, Real(), sizes, None) == {}
    assert laws(DIE, None, Anchor(k=2, source="pool"), sizes, None).keys() == {
        *("heterozygosity", "mean_1", "mean_2", "mean_3", "mean_4")
    }
    assert laws(COIN, BernoulliModel(estimator="l2"), REPLACE, sizes, None) == {}
    assert laws(BELL, KDE(bandwidth=None), REPLACE, sizes, None) == {}
    assert expected_laws(GMM(), BELL.laws()[0][1], Real(), sizes) == {}
    assert expected_laws(GMM(), {}, REPLACE, sizes) == {}


class Restart(Replace):
    def compose(self, archive, streams, budget):
        return archive.view(archive.original())


class Reseeded(Restart):
    def law_context(self, sizes, budget):
        return LawContext(sizes, "real")


class Sharpened(GMM):
    """Fits otherwise, for all that anyone knows."""


@pytest.mark.parametrize("base", [Replace(), Augment(), Anchor(k=2), Collect(), Accumulate()])
def test_a_subclass_of_a_policy_has_no_law(base):
    class Changed(type(base)):
        pass

    changed = Changed(**vars(base))
    assert laws(COIN, None, base, (20,) * 5, None)
    assert laws(COIN, None, changed, (20,) * 5, None) == {}


def test_a_subclass_of_a_model_has_no_law():
    truth = BELL.laws()[0][1]
    assert expected_laws(GMM(), truth, REPLACE, (20,) * 5)
    assert expected_laws(Sharpened(), truth, REPLACE, (20,) * 5) == {}


def test_a_policy_may_say_its_own_law():
    pairs = IsingModel(learn="both")
    assert laws(PAIRS, pairs, Restart(), (20,) * 5, None) == {}
    assert laws(PAIRS, pairs, Reseeded(), (20,) * 5, None).keys() == {"mean"}


def test_few_chains_are_inconclusive():
    name = "bell replace"
    last = simulated(BELL, CATALOGUE[name][3], (10,), REPLACE, None, R)[10]
    few = Generation(9, {}, {metric: values[:30] for metric, values in last.record.items()})
    table = Trajectories.of(chain_rows(few))
    found = laws(*CATALOGUE[name])
    assert law_check(table, "variance", found["variance"], 0).verdict == "inconclusive"
