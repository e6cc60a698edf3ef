"""What every model, policy and experiment must keep: a new yaml is enrolled by being there."""

import dataclasses
from pathlib import Path

import pytest
import torch
import yaml
from jaxtyping import Shaped

from nc_testbed.archive import Archive
from nc_testbed.cli import _compose, _register_resolvers
from nc_testbed.metrics.evaluation import fit_offers
from nc_testbed.parallel import one_thread
from nc_testbed.rng import Streams
from nc_testbed.settings import build_target
from nc_testbed.types import BadInput, Sampling, Space

CONF = Path(__file__).parents[1] / "conf"
SPACES = [Space((4, 4), image=True), Space((2,), image=False)]
R, N, M = 3, 40, 12


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def settings(group: str, name: str) -> dict:
    return yaml.safe_load((CONF / group / f"{name}.yaml").read_text())


def archive(space: Space, window: int | None = None, chains: int = R) -> Archive:
    values = Streams(1, (0,))("x").uniform(N, space.size, dtype=torch.float64)
    rows = torch.arange(N).expand(chains, -1)
    return Archive(space, space.stored(values), rows[:, :24], rows[:, 24:], M, window or 5)


@pytest.fixture(params=[(m, s) for m in names("model") for s in SPACES], ids=str)
def model_and_space(request):
    name, space = request.param
    node = settings("model", name) | {"steps": 5}
    if not space.image and "likelihood" in node:
        node["likelihood"] = "gaussian"
    model = build_target(node, "model", ())
    try:
        model.check(space)
    except BadInput:
        pytest.fail(f"{name} refuses {space}")
    return model, space


def fitted(model, space, chains=tuple(range(R)), generation=0):
    store = archive(space)
    training = store.view(store.training).part(slice(min(chains), max(chains) + 1))
    return model.fit(training, Streams(0, chains, generation))


def test_groups_are_not_empty():
    assert {"gmm", "vae"} <= set(names("model"))
    assert {"real", "replace", "accumulate", "anchor"} <= set(names("policy"))
    assert names("experiment")


@pytest.mark.parametrize("group", ["data", "model", "policy", "metrics", "experiment"])
def test_every_yaml_says_what_it_is(group):
    for name in names(group):
        assert (CONF / group / f"{name}.yaml").read_text().startswith("# "), name


@pytest.mark.parametrize(("group", "name"), [(g, n) for g in ("model", "policy") for n in names(g)])
def test_a_yaml_holds_every_default(group, name):
    node = settings(group, name)
    made = build_target(node, group, ())
    assert set(node) - {"_target_"} == {f.name for f in dataclasses.fields(made)}
    assert made == type(made)()


def test_a_fit_keeps_the_contract(model_and_space):
    model, space = model_and_space
    with one_thread():
        fit = fitted(model, space)
    rows = fit.sample(9, Streams(0, (0, 1, 2)), Sampling())
    assert isinstance(rows, Shaped[torch.Tensor, f"{R} 9 {space.size}"])
    assert rows.dtype is space.dtype
    assert all(isinstance(v, Shaped[torch.Tensor, f"{R} ..."]) for v in fit.state_dict().values())
    assert all(isinstance(v, Shaped[torch.Tensor, f"{R}"]) for v in fit.report().values())
    assert fit_offers(fit) == model.offers
    again = model.restore(fit.state_dict(), space)
    for decode in ("sample", "mean"):
        draws = [f.sample(9, Streams(0, (0, 1, 2)), Sampling(decode)) for f in (fit, again)]
        assert torch.equal(*draws)


def test_fits_and_samples_do_not_depend_on_other_chains(model_and_space):
    model, space = model_and_space
    with one_thread():
        if not model.stacks(space):
            pytest.fail("these sizes were chosen to be stacked")
        together = fitted(model, space)
        rows = together.sample(9, Streams(0, (0, 1, 2)), Sampling())
        for chain in range(R):
            alone = fitted(model, space, (chain,))
            for name, value in together.state_dict().items():
                assert torch.equal(value[chain], alone.state_dict()[name][0]), name
            assert torch.equal(alone.sample(9, Streams(0, (chain,)), Sampling())[0], rows[chain])


def test_a_fit_is_the_same_twice_and_another_generation_draws_anew(model_and_space):
    model, space = model_and_space
    first, again, later = (fitted(model, space, generation=g) for g in (0, 0, 1))
    streams = Streams(0, (0, 1, 2))
    rows = first.sample(50, streams, Sampling())
    assert torch.equal(rows, again.sample(50, streams, Sampling()))
    assert not torch.equal(rows, first.sample(50, streams.at(1), Sampling()))
    assert later.sample(5, streams, Sampling()).shape == (R, 5, space.size)


@pytest.fixture(params=names("policy"))
def policy(request):
    return build_target(settings("policy", request.param), "policy", ())


@pytest.mark.parametrize("budget", [None, 7])
def test_a_policy_keeps_the_contract(policy, budget):
    policy.check(M, budget, 24)
    store = archive(SPACES[1], policy.window)
    for g in range(1, 4):
        store.add(torch.full((R, M, 2), float(g)))
        training = policy.compose(store, Streams(0, (0, 1, 2), g), budget)
        again = policy.compose(store, Streams(0, (0, 1, 2), g), budget)
        assert torch.equal(training.rows, again.rows)
        assert training.rows.shape[0] == R
        assert budget is None or training.size == budget
        assert int(training.rows.min()) >= 0
        assert int(training.origin().max()) <= g
        if not policy.trains_on_real:
            assert int(training.origin().min()) > 0
        assert torch.equal(training.all(), training.part(slice(0, R)).all())


def test_fresh_rows_come_from_the_reserve_alone(policy):
    needed = policy.fresh_rows(M, None)
    assert needed >= 0
    store = archive(SPACES[1], policy.window)
    store.add(torch.zeros(R, M, 2))
    rows = policy.compose(store, Streams(0, (0, 1, 2), 1), None).rows
    from_reserve = ((rows >= 24) & (rows < N)).sum(1)
    assert (from_reserve == needed).all()


@pytest.mark.parametrize("name", names("experiment"))
def test_every_experiment_runs_tiny(name, tmp_path, monkeypatch):
    import sys

    from nc_testbed.cli import main

    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    for word in ("# Question:", "# Command:", "# Cost:"):
        assert word in text
    arguments = [f"experiment={name}", "chains=2", "generations=2", f"hydra.run.dir={tmp_path}/x"]
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    main()
    assert (tmp_path / "x" / "summary.json").is_file()


def test_an_experiment_overrides_the_defaults():
    from hydra import initialize_config_dir

    _register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = _compose(["experiment=ring"], [])
    assert (config["chains"], config["data"]["rows"]) == (16, 200)
    assert config["name"]["model"] == "gmm"
