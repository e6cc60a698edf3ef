"""What metrics declare of their columns is what they measure: names, ranges, directions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from nc_testbed.config.build import build_target
from nc_testbed.families.categorical import Categorical
from nc_testbed.families.gaussian import Gaussian
from nc_testbed.metrics.classifier import Classification
from nc_testbed.metrics.column import Columns
from nc_testbed.metrics.evaluation import fit_provides, missing
from nc_testbed.metrics.likelihood import Likelihood
from nc_testbed.metrics.parameters import Parameters

CONF = Path(__file__).parents[2] / "conf"
M = 400
C = 4
NAMES = sorted(p.stem for p in (CONF / "metrics").glob("*.yaml") if "_target_" in p.read_text())
FAMILIES = ("bernoulli", "categorical", "exponential", "gaussian", "ising", "linear", "poisson")
SEEN_IN = {
    "precision": "wide",
    "high_quality_share": "wide",
    "log_spread": "one point",
    "fidelity": "wide",
    "fidelity_untrained": "wide",
    "accepted": "wide",
    "head_coverage": "one point",
    "memorised": "copies",
    "confusion": "between",
    "undecided": "between",
}
"""Rows that a contraction onto one mode does not make worse."""
SHRINKS = {
    "variance",
    "log_variance",
    "absorbed",
    "heterozygosity",
    "alive_classes",
    "missing_mass",
}
"""Parameters that a fit to the wrong place does not make worse."""


@cache
def metric(name: str) -> Any:
    settings = yaml.safe_load((CONF / "metrics" / f"{name}.yaml").read_text())[name]
    module, _, cls = settings.pop("_target_").rpartition(".")
    if name == "likelihood":
        settings["iwae"] = 4
    return getattr(import_module(module), cls)(**settings)


@dataclass(frozen=True)
class Wary:
    """The world's judge, which takes rows far from all centres for none of the classes."""

    judge: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.judge, name)

    def classify(self, features: torch.Tensor) -> Classification:
        distance = torch.cdist(features.double(), self.judge.centres)
        return self.judge.classify(features)._replace(is_none=distance.amin(1) > 10)


@pytest.fixture(scope="module")
def planar(make_world):
    world = make_world(shares=(0.5, 0.3, 0.15, 0.05), chains=3, D=2, n0=250)
    return replace(world, referee=Wary(world.referee))


@pytest.fixture(scope="module")
def states(planar, exact_fit, bound_fit):
    """Columns by metric of a good fit and of bad ones."""
    centre = planar.centres[:1].expand(3, -1)
    commonest = torch.eye(C, dtype=torch.float64)[planar.data.rank.argmin(1)]
    good, one = planar.draw(M), planar.draw(M, shares=commonest)
    wide = 6 * planar.draw(M)
    rows = {
        "good": good,
        "one mode": one,
        "one point": good[:, :1].expand(-1, M, -1),
        "wide": wide,
        "copies": planar.data.x.repeat(1, 2, 1)[:, :M],
        "between": (good + good.flip(1)) / 2,
    }

    def columns(name: str, state: str) -> dict[str, torch.Tensor]:
        mean = centre if state == "good" else centre + 20
        found = {}
        for fit in (exact_fit(mean), bound_fit(mean)):
            if not missing(metric(name), planar.data.provides | fit_provides(fit)):
                evaluation = planar.evaluate(rows[state], fit, first=fit)
                found |= metric(name).measure(evaluation)
        return found

    return {name: {state: columns(name, state) for state in rows} for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_measured_is_declared_and_in_range(name, states):
    for state, columns in states[name].items():
        assert columns, state
        for key, values in columns.items():
            declared = Columns.declared_by([metric(name)])
            assert key in declared
            column = declared[key]
            for value in values.tolist():
                assert column.holds(value, C, M), f"{state}: {key}={value}"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "parameters"])
def test_what_is_declared_is_measured(name, states):
    found = {id(Columns.declared_by([metric(name)])[key]) for key in states[name]["good"]}
    unseen = [key for key, column in metric(name).columns.items() if id(column) not in found]
    assert not unseen


def last_rank(key: str) -> bool:
    """Of columns by rank the rarest class's: the commonest gains what the others lose."""
    return "_rank_" not in key or key.endswith(f"_rank_{C - 1}")


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_fit_is_worse_in_the_declared_direction(name, states):
    for key, healthy in states[name]["good"].items():
        direction = Columns.declared_by([metric(name)])[key].worse
        if direction == "either" or key in SHRINKS or not last_rank(key):
            continue
        bad = states[name][SEEN_IN.get(key, "one mode")][key].mean()
        assert bad < healthy.mean() if direction == "lower" else bad > healthy.mean(), key


def test_parameters_of_a_fit_that_has_shrunk_are_worse_in_the_declared_direction():
    one = torch.ones(1, dtype=torch.float64)
    shares = torch.tensor([[0.5, 0.3, 0.2]]).double()
    cases = (
        (Gaussian(1), {"mean": one[:, None], "factor": one[:, None, None]}, "factor", 0.0),
        (Categorical(3), {"shares": shares}, "shares", torch.tensor([1.0, 0, 0])),
    )
    seen = set()
    for family, truth, key, factor in cases:
        shrunk = truth[key] * factor
        shrunk = shrunk if key == "factor" else shrunk / shrunk.sum()
        good, bad = (family.columns(fit, truth) for fit in (truth, truth | {key: shrunk}))
        for column in SHRINKS & set(good):
            sign = {"lower": -1, "higher": 1}[Parameters.columns[column].worse]
            assert sign * (bad[column] - good[column]) > 0, column
            seen.add(column)
    assert seen == SHRINKS


@pytest.mark.parametrize("name", FAMILIES)
def test_columns_of_families_are_declared_and_in_range(name):
    node = yaml.safe_load((CONF / "data" / f"{name}.yaml").read_text())
    ((family, truth), *_) = build_target(node, "data", ()).laws()
    columns = family.columns(truth, truth)
    assert columns
    for key, value in columns.items():
        declared = Columns.declared_by([Parameters])
        assert key in declared
        column = declared[key]
        assert column.holds(float(value[0]), classes=truth_classes(truth), rows=M), key
        if key in ("kl", "w2_squared", "risk", "missing_mass"):
            assert float(value[0]) == pytest.approx(0, abs=1e-12)


def truth_classes(truth: dict[str, torch.Tensor]) -> int:
    return truth["shares"].shape[1] if "shares" in truth else 2


def test_every_column_of_the_parameters_is_some_familys():
    seen = set()
    for name in FAMILIES:
        node = yaml.safe_load((CONF / "data" / f"{name}.yaml").read_text())
        for family, truth in build_target(node, "data", ()).laws():
            columns = Columns.declared_by([Parameters])
            seen |= {id(columns[key]) for key in family.columns(truth, truth)}
    assert not [key for key, column in Parameters.columns.items() if id(column) not in seen]


def test_the_bounds_of_the_likelihood_are_declared():
    assert {"nll", "neg_elbo_tail", "neg_iwae_head"} <= set(Likelihood.columns)


def package_columns() -> dict[str, Any]:
    """Every column that a metric of the package declares."""
    return dict(Columns.declared_by([metric(name) for name in NAMES]))


def test_every_column_says_what_it_is_and_has_a_group():
    groups = {"1 tail", "2 quality", "3 likelihood", "4 diversity", "5 labels", "6 classes"}
    for name, column in package_columns().items():
        assert column.says, name
        assert column.group in groups or name in ("mean", "mean_i", "risk"), name
        assert (column.group == "6 classes") == name.endswith("_rank_i"), name


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "headline",
            [
                "tail_coverage",
                "modes_captured",
                "matched_coverage",
                "heterozygosity",
                "variance",
            ],
        ),
        ("fidelity", ["fidelity", "high_quality_share"]),
        ("overall", ["matched_coverage", "frechet", "sliced_w2", "exact_kl", "kl"]),
    ],
)
def test_no_two_columns_share_a_rank(kind, expected):
    ranks = {name: getattr(column, kind) for name, column in package_columns().items()}
    ranked = {rank: name for name, rank in ranks.items() if rank is not None}
    assert [ranked[rank] for rank in sorted(ranked)] == expected
    assert sum(rank is not None for rank in ranks.values()) == len(expected)
