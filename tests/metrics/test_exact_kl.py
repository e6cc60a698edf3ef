"""Monte Carlo KL against closed form."""

from __future__ import annotations

from dataclasses import replace

import torch

from nc_testbed.metrics.exact_kl import ExactKL


class Truth:
    def __init__(self, world):
        self.log_prob = lambda rows: world.data.law.log_prob(rows)


def test_the_law_itself_is_at_zero(make_world):
    world = make_world(D=2, chains=3)
    column = ExactKL().measure(world.evaluate(world.draw(50), Truth(world)))["exact_kl"]
    assert (column == 0).all()


def test_a_shifted_gaussian(make_world, exact_fit):
    """KL(N(0, I) || N(m, I)) = |m|^2 / 2; one class, so the law is one Gaussian."""
    world = make_world(shares=(1.0,), D=2, chains=2, held_out=20_000)
    shift = torch.tensor([[0.0, 0.0], [1.0, 2.0]]).double()
    fit = exact_fit(world.centres + shift)
    column = ExactKL().measure(world.evaluate(world.draw(50), fit))["exact_kl"]
    assert column[0].abs() < 1e-12
    assert abs(column[1] - 2.5) < 4 * (5 / 20_000) ** 0.5  # variance |m|^2 per row


def test_rows_count_by_the_laws_weights(make_world):
    """A fit with the right classes and equal weights: KL = sum p log(C p), well apart."""
    world = make_world(shares=(0.7, 0.2, 0.1), D=2, chains=3, apart=30.0)
    law, fit = world.data.law, Truth(world)
    fit.log_prob = lambda rows: law.log_prob(rows) - (3 * _share(world, rows)).log()
    column = ExactKL().measure(world.evaluate(world.draw(50), fit))["exact_kl"]
    p = law.weights
    torch.testing.assert_close(column, (p * (3 * p).log()).sum(1), rtol=1e-9, atol=0)


def test_the_laws_weights_not_the_chains_counts(make_world):
    """A common law of which every chain has drawn other shares."""
    world = make_world(shares=(0.7, 0.2, 0.1), D=2, chains=3, apart=30.0)
    p = world.data.shares[0]
    law = mixture_of(world, p)
    common = replace(world, data=replace(world.data, law=law))
    fit = Truth(common)
    fit.log_prob = lambda rows: (
        law.log_prob(rows) - (3 * p[_labels(world, rows)]).log()
    ).expand(3, -1)
    column = ExactKL().measure(common.evaluate(world.draw(50), fit))["exact_kl"]
    torch.testing.assert_close(column, (p * (3 * p).log()).sum().expand(3), rtol=1e-9, atol=0)


def mixture_of(world, p):
    """The same modes with weights [C] common to all chains."""
    law = world.data.law
    first = replace(law, weights=p)
    return replace(first, log_prob=lambda rows: law.log_prob(rows)[0])


def _labels(world, rows):
    return world.referee.classify(rows)[0]


def _share(world, rows):
    return world.data.shares[:, _labels(world, rows)]
