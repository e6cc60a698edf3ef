"""Runs of the engine at seed 0, each made once for all the tests that read it.

``t`` counts refits as the laws do: t = 1 is the fit to real rows, generation 0.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from statistic_runs import past_of, statistic_run

from nc_testbed.core.interfaces import Generation, Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.families.bernoulli import BernoulliModel
from nc_testbed.families.categorical import CategoricalModel
from nc_testbed.families.exponential import ExponentialModel
from nc_testbed.families.gaussian import GaussianModel
from nc_testbed.families.ising import IsingModel
from nc_testbed.families.linear import LinearModel
from nc_testbed.families.poisson import PoissonModel
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.loop.row_store import RowStore
from nc_testbed.loop.run import BEGINNING, Run
from nc_testbed.loop.statistic_store import StatisticStore
from nc_testbed.metrics.parameters import Parameters
from nc_testbed.metrics.referee import Plain
from nc_testbed.metrics.reference import Reference
from nc_testbed.policies.replace import Replace
from nc_testbed.run.prepare import move_data

SEED, CHAINS = 0, 20_000
DEVICE = torch.device("cpu")  # that of the test which runs
MODELS = {
    "BernoulliSource": BernoulliModel(),
    "CategoricalSource": CategoricalModel(),
    "PoissonSource": PoissonModel(),
    "ExponentialSource": ExponentialModel(),
    "GaussianSource": GaussianModel(),
    "IsingSource": IsingModel(),
    "LinearSource": LinearModel(),
}


def laboratory(
    source, policy, sizes, model=None, recorded=(), chains=CHAINS, budget=None, T=1.0
):
    """A laboratory of as many refits as there are sizes; the model is the source's own."""
    laws = source.laws()
    model = (model or MODELS[type(source).__name__]).like(laws, laws[0][0].size)
    truth = next(truth for family, truth in laws if family == model.family())
    sizes = (*sizes, sizes[-1])
    device = DEVICE if model.family().on_gpu else torch.device("cpu")
    return statistic_run(model, truth, policy, SEED, chains, sizes, budget, recorded, device, T)


@cache
def simulated(
    source,
    n,
    t,
    policy=None,
    model=None,
    chains=CHAINS,
    budget=None,
    start=None,
    statistic=None,
    temperature=1.0,
):
    """``{t: generation}`` of chains that draw sufficient statistics.

    n: rows of every refit, or of each in turn. t: the refits that are wanted. start: the fit
    that all chains have at t = 1 instead of one to real rows, and its statistic, as pairs of a
    name and a value. temperature: of all samples but the real ones.
    """
    sizes = (n,) * max(t) if isinstance(n, int) else n
    wanted = tuple(i - 1 for i in t)
    policy = policy or Replace()
    lab = laboratory(source, policy, sizes, model, wanted, chains, budget, temperature)
    last = None if start is None else Generation(0, _all(chains, start), {}, statistic={})
    if last is not None:
        count = torch.tensor(float(sizes[0]), dtype=torch.float64)
        last.statistic.update(_all(chains, statistic or ()), count=count)
    past = BEGINNING if last is None else past_of(lab, last)
    return {g.number + 1: g for g in closed_loop(lab, past)}


def _all(chains, pairs):
    """``{name: [R, ...]}``, the same value in every chain."""
    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in pairs}
    return {name: value.expand(chains, *value.shape).clone() for name, value in tensors.items()}


@cache
def simulated_rows(source, n, t, policy, model=None, chains=600, budget=None):
    """``{t: record}`` of chains that draw and store every row."""
    sizes = (n,) * max(t) if isinstance(n, int) else n
    fresh = policy.real_row_budget(sizes[-1], budget).get("fresh", 0)
    data = replace(source, rows=sizes[0]).load(chains, SEED, fresh, len(sizes))
    model = model or MODELS[type(source).__name__]
    if hasattr(model, "like"):
        model = model.like(data.true_parameters, data.space.size)
    data = move_data(data, DEVICE)
    run = Run(
        store=RowStore,
        data=data,
        model=model,
        policy=policy,
        metrics={"parameters": Parameters()},
        reference=Reference.build(data, Plain(), 7),
        sampling=Sampling(),
        seed=SEED,
        chains=chains,
        generations=max(t),
        sizes=(*sizes, sizes[-1]),
        budget=budget,
        evaluation_rows=7,
        recorded=tuple(i - 1 for i in t),
    )
    return {g.number + 1: g.record for g in closed_loop(run) if g.record}


@cache
def absorption_times(source, n, chains):
    """Refits until each chain is absorbed, ``[R]``, under replace."""
    longest = 60 * n
    lab = laboratory(source, Replace(), (n,) * longest, None, tuple(range(longest)), chains)
    times = np.ones(chains)
    for generation in closed_loop(lab):
        alive = 1 - generation.record["absorbed"].numpy()
        if not alive.any():
            return times
        times += alive
    raise AssertionError(f"chains live after {longest} refits")


def fixed_rows(source, policy, n, model=None, chains=CHAINS):
    """Statistics ``{name: [R, ...]}`` of the rows that each chain keeps for ever."""
    lab = laboratory(source, policy, (n, n), model, (), chains)
    archives = StatisticStore(lab).archives
    parts = [a.fixed_rows(policy.k, a.streams.at(0)).values for a in archives]
    return {name: np.concatenate([part[name].cpu() for part in parts]) for name in parts[0]}


def streams(t, chains=CHAINS):
    """The streams of all chains at one refit, for dynamics that are written out in a test."""
    return RandomStreams(SEED, tuple(range(chains)), t)
