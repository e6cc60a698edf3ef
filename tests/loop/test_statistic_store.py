"""The loop on statistics follows the law of the loop on rows, chain by chain the same."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from scipy import stats
from statistic_runs import past_of, statistic_run

from nc_testbed.core.block_rng import BLOCK
from nc_testbed.core.errors import BadInput
from nc_testbed.core.interfaces import Generation, Sampling
from nc_testbed.families.bernoulli import BernoulliModel, BernoulliSource
from nc_testbed.families.categorical import CategoricalModel, CategoricalSource
from nc_testbed.families.exponential import ExponentialModel, ExponentialSource
from nc_testbed.families.gaussian import GaussianModel, GaussianSource
from nc_testbed.families.ising import IsingModel, IsingSource
from nc_testbed.families.linear import LinearModel, LinearSource
from nc_testbed.families.poisson import PoissonModel, PoissonSource
from nc_testbed.loop import closed_loop as loop
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.loop.row_store import RowStore
from nc_testbed.loop.run import Run
from nc_testbed.policies.accumulate import Accumulate
from nc_testbed.policies.anchor import Anchor
from nc_testbed.policies.collect import Collect
from nc_testbed.policies.real import Real
from nc_testbed.policies.replace import Replace

R = 2000
SIZES = (8, 9, 6, 12, 7)  # of generation 0, and of the sets drawn from each of four
POLICIES = {
    "replace": (Replace(), None),
    "replace, budget": (Replace(), 5),
    "accumulate": (Accumulate(), None),
    "fresh": (Anchor(k=3, source="fresh"), None),
    "pool": (Anchor(k=3, source="pool"), None),
    "fixed": (Anchor(k=3, source="fixed"), None),
    "fixed, budget": (Anchor(k=2, source="fixed"), 6),
    "real": (Real(), None),
    "real, budget": (Real(), 5),
    "collect": (Collect(k=4), None),
}
FAMILIES: dict[str, tuple[Any, Any]] = {
    "bernoulli": (BernoulliModel(), BernoulliSource(p=0.3)),
    "gaussian": (GaussianModel(), GaussianSource(mean=1.0, variance=4.0)),
    "gaussians": (GaussianModel(), GaussianSource(dim=2)),
    "poisson": (PoissonModel(), PoissonSource(rate=2.0)),
    "categorical": (CategoricalModel(), CategoricalSource(classes=4, exponent=1.0)),
    "exponential": (ExponentialModel(), ExponentialSource(scale=2.0)),
    "spins": (IsingModel(), IsingSource(spins=5, theta_1=0.2)),
    "coupled": (IsingModel(learn="both"), IsingSource(spins=5, theta_1=0.2, theta_2=0.1)),
    "linear": (LinearModel(), LinearSource(dim=3)),
    "same design": (LinearModel(), LinearSource(dim=3, design="same")),
}
SAME_LAW = [(f, p) for f in list(FAMILIES)[:4] for p in POLICIES]
SAME_LAW += [(f, p) for f in list(FAMILIES)[4:] for p in ("accumulate", "pool")]


def filled(model, source):
    laws = source.laws()
    model = model.like(laws, laws[0][0].size)
    return model, next(truth for family, truth in laws if family == model.family())


def run_on_statistics(model, source, policy=None, chains=5, sizes=SIZES, **changes) -> Run:
    model, truth = filled(model, source)
    T = len(sizes) - 1
    budget = changes.pop("budget", None)
    recorded = changes.pop("recorded", tuple(range(T)))
    seed = changes.pop("seed", 0)
    assert not changes
    policy = policy or Replace()
    return statistic_run(model, truth, policy, seed, chains, sizes, budget, recorded)


def world(model, source, policy, budget=None) -> Run:
    """The same on rows; nothing is measured."""
    T, fresh = len(SIZES) - 1, policy.real_row_budget(SIZES[1], budget).get("fresh", 0)
    data = dataclasses.replace(source, rows=SIZES[0], test_rows=1).load(R, 1, fresh, T)
    settings = {"seed": 1, "chains": R, "generations": T, "sizes": SIZES, "budget": budget}
    reference: Any = None
    return Run(
        store=RowStore,
        data=data,
        model=filled(model, source)[0],
        policy=policy,
        metrics={},
        reference=reference,
        sampling=Sampling(),
        evaluation_rows=20,
        recorded=(),
        **settings,
    )


def numbers(weights) -> dict[str, np.ndarray]:
    """Every parameter of a fit ``[R]``; of a factor the entries of its square."""
    found = {}
    for name in weights.keys() - {"theta"}:
        value = weights[name]
        if name == "factor":
            d = value.shape[1]
            value = (value @ value.mT)[:, *torch.tril_indices(d, d)]
        columns = value.reshape(len(value), -1).T
        found |= {f"{name}_{i}": column.numpy() for i, column in enumerate(columns)}
    return found


def gap(a, b):
    return abs(a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a))


@pytest.mark.parametrize(("family", "policy"), SAME_LAW)
def test_parameters_have_the_law_that_they_have_on_rows(family, policy, monkeypatch):
    monkeypatch.setattr(
        GaussianModel, "stacks", lambda self, space: True
    )  # the last bit may go
    monkeypatch.setattr(LinearModel, "stacks", lambda self, space: True)
    monkeypatch.setattr(loop, "PICTURES", 1)
    (model, source), (policy, budget) = FAMILIES[family], POLICIES[policy]
    *_, on_rows = closed_loop(world(model, source, policy, budget))
    *_, on_sums = closed_loop(run_on_statistics(model, source, policy, R, budget=budget))
    assert on_rows.number == on_sums.number == 3
    drawn, summed = numbers(on_sums.weights), numbers(on_rows.weights)
    for name, a in drawn.items():
        b = summed[name]
        assert gap(a, b) < 4, name
        centre = (a.mean() + b.mean()) / 2
        assert gap((a - centre) ** 2, (b - centre) ** 2) < 4, name
        assert stats.ks_2samp(a, b, method="asymp").pvalue > 6e-5, name
    for i, one in enumerate(drawn):
        for other in list(drawn)[:i]:
            products = [
                (x[one] - summed[one].mean()) * (x[other] - summed[other].mean())
                for x in (drawn, summed)
            ]
            assert gap(*products) < 4, (one, other)


def estimators(family):
    """The model of a family with every estimator that it has."""
    model, source = FAMILIES[family]
    for settings in (
        {"estimator": "mle"},
        {"estimator": "map"},
        {"estimator": "map", "coordinates": "mean"},
        {"estimator": "l2"},
    ):
        try:
            made = dataclasses.replace(model, **settings)
            filled(made, source)
        except BadInput:
            continue
        yield made, source


WIDE = {"wide": (GaussianModel(), GaussianSource(dim=31))}  # products of matrices at work
WIDE |= {"wide linear": (LinearModel(), LinearSource(dim=31))}


def same(a, b, chains):
    """Whether the first chains have the same bits in everything that is left."""
    for part in ("weights", "record", "statistic"):
        one, other = getattr(a, part), getattr(b, part)
        assert one.keys() == other.keys()
        for name, value in one.items():
            mine, theirs = (v[:chains] if v.dim() else v for v in (value, other[name]))
            bits = [v.contiguous().view(torch.int64) for v in (mine, theirs)]  # NaN is itself
            assert torch.equal(*bits), f"{part} {name}"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_chain_has_the_same_bits_however_many_there_are(family):
    for model, source in estimators(family):
        for policy in (Accumulate(), Anchor(k=2, source="pool")):
            made = {}
            for chains in (1, 5, 1500, 3000):
                lab = run_on_statistics(model, source, policy, chains, SIZES[:4], recorded=(2,))
                (made[chains],) = closed_loop(lab)
            for chains, left in made.items():
                same(left, made[3000], chains)


@pytest.mark.parametrize("family", WIDE)
def test_products_of_matrices_round_alike_however_many_there_are(family):
    model, source = WIDE[family]
    made = {}
    for chains in (1, 5, BLOCK + 1, 2 * BLOCK + 1):
        lab = run_on_statistics(
            model, source, Accumulate(), chains, (40, 40, 40), recorded=(1,)
        )
        (made[chains],) = closed_loop(lab)
    for chains, left in made.items():
        same(left, made[2 * BLOCK + 1], chains)


@pytest.mark.parametrize("family", WIDE)
def test_products_of_matrices_round_alike_wherever_they_begin(family):
    lab = run_on_statistics(*WIDE[family], Accumulate(), 7, (40,) * 5)
    whole = list(closed_loop(lab))
    for cut in (0, 1):
        same(list(closed_loop(lab, past_of(lab, stored(whole[cut]))))[-1], whole[-1], 7)


def stored(generation: Generation) -> Generation:
    """A generation as it comes back from its files, which may begin anywhere in memory."""
    parts = []
    for part in (generation.weights, generation.statistic):
        odd = {}
        for name, value in load(save(dict(part))).items():
            place = torch.empty(value.numel() + 1, dtype=value.dtype)[1:].view(value.shape)
            odd[name] = place.copy_(value)
        parts.append(odd)
    weights, statistic = parts
    return Generation(generation.number, weights, {}, statistic=statistic)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_loop_that_goes_on_ends_where_an_unbroken_one_ends(family, policy):
    policy, budget = POLICIES[policy]
    lab = run_on_statistics(*FAMILIES[family], policy, 7, budget=budget)
    whole = list(closed_loop(lab))
    for cut in (0, 2):
        rest = list(closed_loop(lab, past_of(lab, stored(whole[cut]))))
        assert [left.number for left in rest] == list(range(cut + 1, 4))
        same(rest[-1], whole[-1], 7)


@pytest.mark.parametrize("n", [857_491_251_411, 10**15 - 1])
@pytest.mark.parametrize("family", ["gaussian", "gaussians", "bernoulli"])
def test_counts_beyond_all_digits_go_on_as_well(family, n):
    """A product of two such counts is no double: whole numbers and floats would part ways."""
    lab = run_on_statistics(*FAMILIES[family], Accumulate(), 7, (n,) * 20)
    whole = list(closed_loop(lab))
    for cut in (1, 7):
        same(list(closed_loop(lab, past_of(lab, stored(whole[cut]))))[-1], whole[-1], 7)


def test_generations_between_the_recorded_ones_are_passed_through():
    lab = run_on_statistics(*FAMILIES["poisson"], recorded=(0, 3))
    some, every = (list(closed_loop(x)) for x in (lab, run_on_statistics(*FAMILIES["poisson"])))
    assert [left.number for left in some] == [0, 3]
    for left in some:
        same(left, every[left.number], 5)
    after = list(closed_loop(lab, past_of(lab, stored(some[0]))))
    assert [left.number for left in after] == [3]
    assert list(closed_loop(lab, past_of(lab, stored(some[1])))) == []


def test_seeds_are_apart_and_policies_are_paired_at_generation_zero():
    model, source = FAMILIES["gaussian"]
    first = [
        next(closed_loop(run_on_statistics(model, source, p)))
        for p in (Replace(), Accumulate())
    ]
    same(first[0], first[1], 5)
    other = next(closed_loop(run_on_statistics(model, source, seed=1)))
    assert not torch.equal(first[0].weights["mean"], other.weights["mean"])


def test_progress_tells_of_every_part_of_every_recorded_generation():
    told = []
    lab = run_on_statistics(*FAMILIES["poisson"], None, 3000, recorded=(1, 3))
    list(closed_loop(lab, progress=lambda done, total: told.append((done, total))))
    total = told[0][1]
    assert sorted(told) == sorted([(i + 1, total) for i in range(total)] * 2)


class Cheat(Replace):
    """Says it trains on no real row, and does."""

    def compose(self, archive, streams, budget):
        return archive.view(archive.latest(3), getattr(archive, self.source)(2, streams))


@pytest.mark.parametrize("source", ["fresh", "pool", "fixed_rows", "collected_rows"])
def test_the_assertion_on_real_rows_stays_on(source, monkeypatch):
    monkeypatch.setattr(Cheat, "source", source, raising=False)
    with pytest.raises(AssertionError, match="takes none"):
        list(closed_loop(run_on_statistics(*FAMILIES["bernoulli"], Cheat())))


@pytest.mark.parametrize(
    "policy", ["replace", "accumulate", "fresh", "fixed", "real", "collect"]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_generation_may_have_a_trillion_rows(family, policy):
    """So many rows leave a fit within a few parts in a million of the truth."""
    n = 10**12
    policy = POLICIES[policy][0]
    *_, left = closed_loop(run_on_statistics(*FAMILIES[family], policy, 9, (n,) * 5))
    truth = numbers(filled(*FAMILIES[family])[1])
    for name, values in numbers(left.weights).items():
        np.testing.assert_allclose(values, truth[name].repeat(9), atol=1e-4)
    assert left.statistic["count"] >= n


def test_what_is_recorded_is_measured_against_the_truth():
    lab = run_on_statistics(*FAMILIES["gaussian"], None, 50)
    for left in closed_loop(lab):
        columns = lab.model.family().columns(left.weights, lab.data.true_parameters[0][1])
        assert columns.keys() | {"status"} == left.record.keys()
        for name, value in columns.items():
            torch.testing.assert_close(value, left.record[name], rtol=1e-14, atol=0)
        mean, factor = left.statistic["mean"], left.statistic["scatter"]
        assert torch.equal(mean, left.weights["mean"])
        torch.testing.assert_close(
            factor / left.statistic["count"] ** 0.5, left.weights["factor"], rtol=1e-14, atol=0
        )
