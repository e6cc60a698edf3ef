"""Runs on sufficient statistics, made of a model, a law and a policy."""

import torch

from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.loop.run import Past, Run
from nc_testbed.loop.statistic_store import StatisticStore, law_data
from nc_testbed.metrics.parameters import Parameters
from nc_testbed.metrics.referee import Plain
from nc_testbed.metrics.reference import Reference

CPU = torch.device("cpu")


def statistic_run(
    model, truth, policy, seed, chains, sizes, budget=None, recorded=None, device=CPU, T=1.0
) -> Run:
    """A run of as many generations as synthetic sets have a size; T: the temperature."""
    data = law_data(model.family(), truth, chains, device)
    return Run(
        store=StatisticStore,
        data=data,
        model=model,
        policy=policy,
        metrics={"parameters": Parameters()},
        reference=Reference(data, Plain(), 0, RandomStreams(0, (), device=device)),
        sampling=Sampling(temperature=T),
        seed=seed,
        chains=chains,
        generations=len(sizes) - 1,
        sizes=tuple(sizes),
        budget=budget,
        evaluation_rows=0,
        recorded=recorded,
    )


def past_of(run: Run, generation) -> Past:
    """What a loop goes on from after a generation that it has left."""
    fit = run.model.restore(generation.weights, run.data.space)
    return Past(last=fit, skipped=generation.number + 1, statistic=generation.statistic)
