"""What every model, policy and experiment must keep: a new yaml is enrolled by being there."""

import dataclasses
from pathlib import Path

import pytest
import torch
import yaml
from jaxtyping import Shaped

from nc_testbed.config.build import build_target
from nc_testbed.config.compose import compose_config, configurations
from nc_testbed.core.errors import BadInput
from nc_testbed.core.exactness import one_thread
from nc_testbed.core.interfaces import Sampling
from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.families.estimator import FamilyModel
from nc_testbed.families.linear import LinearModel
from nc_testbed.loop.archive import Archive
from nc_testbed.metrics.evaluation import fit_provides
from nc_testbed.models.conv_vae import ConvVAE
from nc_testbed.policies.augment import Augment
from nc_testbed.policies.collect import Collect

CONF = Path(__file__).parents[1] / "conf"
PICTURES, VECTORS = SPACES = [Space((4, 4), image=True), Space((2,), image=False)]
R, N, M = 3, 40, 12
CPU = torch.device("cpu")


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def settings(group: str, name: str) -> dict:
    """A yaml's settings; an inner option that its defaults name is filled in."""
    node = yaml.safe_load((CONF / group / f"{name}.yaml").read_text())
    for default in node.pop("defaults", []):
        for place, option in default.items():
            node[place.partition("@")[2]] = settings(group, option)
    return node


def archive(space, window=None, real=None, device: torch.device = CPU) -> Archive:
    values = RandomStreams(1, (0,))("x").uniform(N, space.size, dtype=torch.float64)
    real = (space.stored_form(values) if real is None else real).to(device)
    rows = torch.arange(N, device=device).expand(R, -1)
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64, device=device).expand(R, -1)
    return Archive(space, real, rows[:, :24], rows[:, 24:], M, window or 5, shares=shares)


def takes(name: str) -> list[Space | None]:
    """What a model is tried on: None for rows of the data that have its name."""
    if name in names("data"):
        return [None]
    return {"kde": [VECTORS], "conv_vae": [PICTURES]}.get(name, SPACES)


@pytest.fixture(params=[(m, s) for m in names("model") for s in takes(m)], ids=str)
def model_and_rows(request, device):
    """A model and an archive of rows of its kind."""
    name, space = request.param
    node, real, laws = settings("model", name), None, ()
    if space is None:
        source = build_target(settings("data", name) | {"rows": N}, "data", ())
        data = source.load(1, 1, 0, 1)
        space, real, laws = data.space, data.x, data.true_parameters
    if "steps" in node:
        node["steps"] = 5
    if "channels" in node:
        node["channels"] = [2, 4]
    if not space.image and "likelihood" in node:
        node["likelihood"] = "gaussian"
    model = build_target(node, "model", ())
    if isinstance(model, FamilyModel):
        model = model.like(laws, space.size)
    try:
        model.check(space)
    except BadInput:
        pytest.fail(f"{name} refuses {space}")
    return model, archive(space, real=real, device=device)


def fitted(model, store, chains=tuple(range(R)), generation=0):
    training = store.view(store.training).part(slice(min(chains), max(chains) + 1))
    return model.fit(training, RandomStreams(0, chains, generation, store.real.device))


def test_groups_are_not_empty():
    assert {"gmm", "vae", "kde", "gaussian", "ising"} <= set(names("model"))
    assert {"real", "replace", "accumulate", "anchor", "collect"} <= set(names("policy"))
    assert names("experiment")


@pytest.mark.parametrize("group", ["data", "model", "policy", "metrics", "experiment"])
def test_every_yaml_says_what_it_is(group):
    for name in names(group):
        assert (CONF / group / f"{name}.yaml").read_text().startswith("# "), name


@pytest.mark.parametrize(
    ("group", "name"), [(g, n) for g in ("model", "policy") for n in names(g)]
)
def test_a_yaml_holds_every_default(group, name):
    node = settings(group, name)
    made = build_target(node, group, ())
    assert set(node) - {"_target_"} == {f.name for f in dataclasses.fields(made)}
    assert made == type(made)()


@pytest.mark.parametrize(
    "name", [name for name in names("model") if PICTURES not in takes(name)]
)
def test_a_model_that_cannot_take_pictures_says_so(name):
    model = build_target(settings("model", name), "model", ())
    if isinstance(model, FamilyModel):
        laws = build_target(settings("data", name), "data", ()).laws()
        model = model.like(laws, laws[0][0].size)
        with pytest.raises(BadInput):
            model.check(Space((model.family().size + 1,), image=False))
        with pytest.raises(BadInput):
            model.check(Space((1, model.family().size), image=True))
    with pytest.raises(BadInput) as error:
        model.check(PICTURES)
    assert error.value.key == "_target_" and "\n" not in str(error.value)


def test_a_fit_keeps_the_contract(model_and_rows):
    model, store = model_and_rows
    space = store.space
    with one_thread():
        fit = fitted(model, store)
    streams = RandomStreams(0, (0, 1, 2), device=store.real.device)
    rows = fit.sample(9, streams, Sampling())
    assert isinstance(rows, Shaped[torch.Tensor, f"{R} 9 {space.size}"])
    assert rows.dtype is space.dtype
    assert all(
        isinstance(v, Shaped[torch.Tensor, f"{R} ..."]) for v in fit.state_dict().values()
    )
    assert all(isinstance(v, Shaped[torch.Tensor, f"{R}"]) for v in fit.report().values())
    assert fit_provides(fit) == model.provides
    again = model.restore(fit.state_dict(), space)
    for decode in ("sample", "mean"):
        draws = [f.sample(9, streams, Sampling(decode)) for f in (fit, again)]
        assert torch.equal(*draws)


def test_fits_and_samples_do_not_depend_on_other_chains(model_and_rows):
    model, store = model_and_rows
    if store.real.is_cuda:
        pytest.skip("a GPU rounds by how many chains there are")
    with one_thread():
        if not model.stacks(store.space):
            assert isinstance(model, LinearModel | ConvVAE)  # the loop takes chains one by one
            return
        together = fitted(model, store)
        rows = together.sample(9, RandomStreams(0, (0, 1, 2)), Sampling())
        for chain in range(R):
            alone = fitted(model, store, (chain,))
            for name, value in together.state_dict().items():
                assert torch.equal(value[chain], alone.state_dict()[name][0]), name
            assert torch.equal(
                alone.sample(9, RandomStreams(0, (chain,)), Sampling())[0], rows[chain]
            )


def test_a_fit_is_the_same_twice_and_another_generation_draws_anew(model_and_rows):
    model, store = model_and_rows
    first, again, later = (fitted(model, store, generation=g) for g in (0, 0, 1))
    streams = RandomStreams(0, (0, 1, 2), device=store.real.device)
    rows = first.sample(50, streams, Sampling())
    assert torch.equal(rows, again.sample(50, streams, Sampling()))
    assert not torch.equal(rows, first.sample(50, streams.at(1), Sampling()))
    assert later.sample(5, streams, Sampling()).shape == (R, 5, store.space.size)


VARIANTS = [
    ("weighted", {"by": "ratio"}),
    ("weighted", {"by": "ratio", "inner": {"_target_": "nc_testbed.policies.replace.Replace"}}),
]
"""Settings under which a policy does something else altogether."""


@pytest.fixture(params=[*((name, {}) for name in names("policy")), *VARIANTS], ids=str)
def policy(request):
    name, changes = request.param
    return build_target(settings("policy", name) | changes, "policy", ())


def opinion() -> tuple[torch.Tensor, torch.Tensor]:
    """The referee's: three classes in turn, sure of two rows in three."""
    row = torch.arange(M).expand(R, -1)
    return row % 3, torch.where(row % 3 == 0, 0.5, 0.99)


@pytest.mark.parametrize("budget", [None, 7])
def test_a_policy_keeps_the_contract(policy, budget):
    thins_none = isinstance(getattr(policy, "inner", policy), Collect | Augment)
    if thins_none and budget is not None:
        with pytest.raises(BadInput, match="^budget=7: "):
            policy.check(M, budget, 24)
        return
    policy.check(M, budget, 24)
    store = archive(VECTORS, policy.window)
    for g in range(1, 4):
        store.add(torch.full((R, M, 2), float(g)), opinion())
        training = policy.compose(store, RandomStreams(0, (0, 1, 2), g), budget)
        again = policy.compose(store, RandomStreams(0, (0, 1, 2), g), budget)
        assert torch.equal(training.rows, again.rows)
        if training.weights is not None:
            assert torch.equal(training.weights, again.weights)
            torch.testing.assert_close(training.weights.mean(1), torch.ones(R).double())
        assert training.rows.shape[0] == R
        assert budget is None or training.size == budget
        assert int(training.rows.min()) >= 0
        assert int(training.origin().max()) <= g
        if not policy.trains_on_real:
            assert int(training.origin().min()) > 0
        assert torch.equal(training.all(), training.part(slice(0, R)).all())


def test_fresh_rows_come_from_the_reserve_alone(policy):
    needed = policy.real_row_budget(M, None).get("fresh", 0)
    assert needed >= 0
    store = archive(VECTORS, policy.window)
    store.add(torch.zeros(R, M, 2), opinion())
    rows = policy.compose(store, RandomStreams(0, (0, 1, 2), 1), None).rows
    from_reserve = ((rows >= 24) & (rows < N)).sum(1)
    assert (from_reserve == needed).all()


def test_an_experiment_overrides_the_defaults():
    with configurations():
        config = compose_config(["experiment=ring"])
    assert (config["chains"], config["data"]["rows"]) == (16, 200)
    assert config["name"]["model"] == "gmm"
