"""Contracts of every metric, over conf/metrics/*.yaml."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from nc_testbed.metrics import neighbours
from nc_testbed.metrics.evaluation import COLLAPSES, fit_provides, missing, rank_columns

CONF = Path(__file__).parents[2] / "conf" / "metrics"
NAMES = sorted(path.stem for path in CONF.glob("*.yaml") if "_target_" in path.read_text())
WORDS = {"labels", "tail", "image", "planar", "modes", "density"}
WORDS |= {"likelihood", "exact", "encoder", "parameters"}


def target(name: str) -> tuple[type, dict[str, Any]]:
    settings = yaml.safe_load((CONF / f"{name}.yaml").read_text())[name]
    module, _, cls = settings.pop("_target_").rpartition(".")
    return getattr(import_module(module), cls), settings


def metric(name: str) -> Any:
    cls, settings = target(name)
    return cls(**settings)


@pytest.fixture(scope="module")
def planar(make_world):
    """A world that provides everything but images."""
    return make_world(shares=(0.5, 0.3, 0.15, 0.05), chains=3, D=2, n0=250)


@pytest.fixture(scope="module")
def many(make_world):
    """The same with nine chains: vectorised loops have a tail."""
    return make_world(shares=(0.5, 0.3, 0.15, 0.05), chains=9, held_out=40, D=2, n0=250)


def measure(name, world, rows, fit, generation=0):
    chosen = metric(name)
    provides = world.data.provides | fit_provides(fit)
    if missing(chosen, provides):
        return {}
    return chosen.measure(world.evaluate(rows, fit, generation))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(_bits(a[k]), _bits(b[k])) for k in a)


def _bits(column):
    return column.contiguous().view(torch.int64)  # NaN equals itself


def test_files_were_found():
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_yaml_holds_every_default(name):
    cls, settings = target(name)
    assert is_dataclass(cls)
    assert settings == {field.name: field.default for field in fields(cls)}
    assert (CONF / f"{name}.yaml").read_text().startswith("# ")


@pytest.mark.parametrize("name", NAMES)
def test_declares_needs_and_collapse(name):
    assert metric(name).requires <= WORDS
    assert metric(name).collapse in COLLAPSES


@pytest.mark.parametrize("fit", ["exact_fit", "bound_fit"])
@pytest.mark.parametrize("name", NAMES)
def test_a_chain_alone_gives_the_same_bits(name, fit, many, request):
    Fit = request.getfixturevalue(fit)
    rows, means = many.draw(100), many.centres[torch.arange(9) % 4]
    together = measure(name, many, rows, Fit(means))
    for r in range(9):
        alone = measure(name, many.chain(r), rows[r : r + 1], Fit(means[r : r + 1]))
        assert same(alone, {k: v[r : r + 1] for k, v in together.items()})


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_one_finite_double_per_chain(name, planar, exact_fit, bound_fit):
    rows, means = planar.draw(400), planar.centres[:3]
    columns = measure(name, planar, rows, exact_fit(means))
    columns = columns or measure(name, planar, rows, bound_fit(means))
    assert columns
    for column in columns.values():
        assert column.shape == (3,) and column.dtype == torch.float64
        assert column.isfinite().all()


@pytest.mark.parametrize("block", [1, 7777])
@pytest.mark.parametrize("name", NAMES)
def test_blocks_change_no_bit(name, block, planar, exact_fit, monkeypatch):
    rows, fit = planar.draw(123), exact_fit(planar.centres[:3])
    whole = measure(name, planar, rows, fit)
    monkeypatch.setattr(neighbours, "BLOCK", block)
    blocked = measure(name, planar, rows, fit)
    assert blocked.keys() == whole.keys()
    assert same(blocked, whole)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_collapsed_chain_is_a_result(name, labelled, planar, make_world, exact_fit):
    world = planar if labelled else make_world(shares=None, D=2)
    rows = world.draw(100)
    healthy = measure(name, world, rows, exact_fit(world.centres[:1].expand(3, -1)))
    rows[1] = rows[1, :1]
    fit = exact_fit(torch.stack([world.centres[0], rows[1, 0], world.centres[0]]))
    columns = measure(name, world, rows, fit)
    assert columns.keys() == healthy.keys()
    for key, column in columns.items():
        assert column[0] == healthy[key][0] or column[0].isnan()


@pytest.mark.parametrize("name", NAMES)
def test_a_diverged_chain_is_a_result(name, planar, exact_fit):
    rows, fit = planar.draw(100), exact_fit(planar.centres[:3])
    healthy = measure(name, planar, rows, fit)
    rows[1] = 1e300 * rows[1]  # infinite in float32
    columns = measure(name, planar, rows, fit)
    for key, column in columns.items():
        assert column[2] == healthy[key][2]


def applicable(world, fit):
    provides = world.data.provides | fit_provides(fit)
    return [name for name in NAMES if not missing(metric(name), provides)]


@pytest.mark.parametrize("kind", ["exact_fit", "bound_fit"])
def test_all_at_once_is_one_by_one(kind, planar, request):
    """No metric disturbs what another reads from a shared evaluation."""
    rows, fit = planar.draw(120), request.getfixturevalue(kind)(planar.centres[:3])
    shared = planar.evaluate(rows, fit)
    for name in reversed(applicable(planar, fit)):
        assert same(metric(name).measure(shared), measure(name, planar, rows, fit))


@pytest.mark.parametrize("kind", ["exact_fit", "bound_fit"])
def test_column_names_are_distinct(kind, planar, request):
    fit = request.getfixturevalue(kind)(planar.centres[:3])
    shared = planar.evaluate(planar.draw(120), fit)
    names = [key for name in applicable(planar, fit) for key in metric(name).measure(shared)]
    assert len(names) == len(set(names))


def test_accepted_rows_are_both_sure_and_inside(make_world):
    """Classes that overlap: many rows lie on the manifold of a label that is a guess."""
    world = make_world(apart=2.0)
    evaluation = world.evaluate(world.draw(400))
    sure, inside = evaluation.confidence >= 0.9, evaluation.neighbourhoods.inside_own
    assert torch.equal(evaluation.is_accepted, sure & inside)
    assert (~sure & inside).any() and (sure & ~inside).any()


def test_missing_names_the_words():
    provides = frozenset({"labels", "density", "likelihood"})
    assert missing(metric("exact_kl"), provides) == {"exact"}
    assert missing(metric("recall"), frozenset()) == frozenset()


def test_fits_offer_what_they_can(exact_fit, bound_fit):
    assert fit_provides(exact_fit) == {"exact", "likelihood", "parameters"}
    assert fit_provides(bound_fit(torch.zeros(1, 2))) == {"likelihood", "encoder"}


def test_ranks_and_thirds(make_world):
    reference = make_world(shares=(0.5, 0.2, 0.15, 0.1, 0.05), chains=2).reference(50)
    by_class = torch.tensor([[0.0, 1, 2, 3, 4], [10.0, 11, 12, 13, 14]])
    columns = rank_columns("x", by_class, reference, ("head", "medium", "tail"))
    assert [columns[f"x_rank_{i}"][0].item() for i in range(5)] == [0, 1, 2, 3, 4]
    assert [columns[f"x_rank_{i}"][1].item() for i in range(5)] == [14, 10, 11, 12, 13]
    assert columns["head_x"].tolist() == [0, 14]
    assert columns["medium_x"].tolist() == [2, 11]
    assert columns["tail_x"].tolist() == [4, 13]


def test_equal_shares_have_ranks_but_no_thirds(make_world):
    reference = make_world(shares=(0.25,) * 4).reference(50)
    columns = rank_columns("x", torch.zeros(3, 4), reference, ("head", "tail"))
    assert sorted(columns) == [f"x_rank_{i}" for i in range(4)]
