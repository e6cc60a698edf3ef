"""The sanity checks: their laws, their rules, and verdicts that any draw gives."""

from __future__ import annotations

import math
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import betabinom

from nc_testbed.bench.clipped_scores import clipped_counts, clipped_coverage
from nc_testbed.bench.sanity import SUBJECTS, outcome_of, run_check, verdicts
from nc_testbed.bench.sanity_checks import CHECKS, MODES
from nc_testbed.bench.sanity_page import controls_section, verdict_table
from nc_testbed.bench.sanity_rules import (
    Bell,
    Either,
    Falls,
    Flat,
    Highest,
    Near,
    Rises,
    Settles,
)
from nc_testbed.core.rng import RandomStreams

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics_sanity.md"


def scene(name, point, case=""):
    return CHECKS[name].cases[case](RandomStreams(0, (0,))("test"), point)


def test_there_are_the_fourteen_checks_and_every_kind_is_asked_somewhere():
    assert len(CHECKS) == 14
    for kind in {subject.kind for subject in SUBJECTS.values()}:
        assert any(
            check.rules_of(kind, case) for check in CHECKS.values() for case in check.cases
        )


@pytest.mark.parametrize("name", list(CHECKS))
def test_rows_are_finite_and_training_rows_are_of_the_real_law(name):
    check = CHECKS[name]
    for case in check.cases:
        for point in (check.points[0], check.points[-1]):
            real, training, samples = scene(name, point, case)
            assert real.isfinite().all() and samples.isfinite().all()
            assert real.shape[1] == training.shape[1] == samples.shape[1]
            gap = (real.mean(0) - training.mean(0)).abs()
            assert (gap < 6 * training.std(0) * math.sqrt(2 / len(training)) + 0.01).all()


def test_cubes_share_a_fifth_of_their_volume():
    real, _, samples = scene("cubes, more rows", 3000)
    corner = samples.amin(0)
    assert float((real > corner).all(1).double().mean()) == pytest.approx(0.2, abs=0.03)


def test_ball_and_torus_do_not_meet():
    ball, _, torus = scene("ball and torus", 1000, "real ball")
    assert float(ball.norm(dim=1).max()) <= 0.8
    ring = (torus[:, :2].norm(dim=1) - 1).square() + torus[:, 2].square()
    assert float(ring.max()) <= 0.01 + 1e-9


def test_modes_that_are_lost_are_gone():
    samples = scene("modes lost in turn", 9).samples
    assert float(samples.mean()) == pytest.approx(0, abs=0.1)
    together = scene("modes lost together", 0.5).samples.mean(1)
    weight = 1 / (1 + 0.5 * (MODES - 1))
    assert float((together < 0.5).double().mean()) == pytest.approx(weight, abs=0.05)


def test_rules_tell_shapes_apart():
    bell, fall, flat = [0.0, 0.6, 1.0, 0.5, 0.0], [1.0, 0.9, 0.5, 0.3, 0.0], [0.2] * 5
    rules = (Bell(2), Falls(), Rises(), Flat())
    assert [rule.holds(bell) for rule in rules] == [True, False, False, False]
    assert [rule.holds(fall) for rule in rules] == [False, True, False, False]
    assert [rule.holds(fall[::-1]) for rule in rules] == [False, False, True, False]
    assert [rule.holds(flat) for rule in rules] == [False, False, False, True]
    assert not Falls(between=1).holds([1.0, 0.95, 0.0])
    assert Settles().holds([1.0, 0.2, 0.21]) and not Settles().holds([0.2, 0.2, 0.4])
    assert Either(Near(0, 1), Near(0, 0)).holds([0.02])
    assert Highest(0).holds([1.0, 0.99]) and not Highest(0).holds([1.0, 1.0])
    assert not Near(0, 1).holds([math.nan])


def test_clipped_counts_are_the_mean_over_the_beta_binomial():
    counts = clipped_counts(50, 30)
    j = np.arange(31)
    expected = (np.minimum(j, 5) * betabinom.pmf(j, 30, 5, 45)).sum() / 5
    assert counts[30] == pytest.approx(expected)


def test_clipped_coverage_of_good_samples_is_their_share():
    draws = RandomStreams(0, (0,))("clipped")
    for m in (100, 300):
        pairs = [(draws.normal(400, 4)[0], draws.normal(m, 4)[0]) for _ in range(30)]
        values = torch.stack([clipped_coverage(*pair, 300) for pair in pairs])
        error = float(values.std()) / len(values) ** 0.5
        assert abs(float(values.mean()) - m / 300) < 4 * error + 0.01 < 0.07


@pytest.fixture(scope="module")
def few_draws():
    return {name: run_check(name, 1) for name in ("mean shift", "rounded numbers")}


def test_some_pass_and_some_fail_in_any_draw(few_draws):
    """By far: no draw decides these."""
    shift = few_draws["mean shift"]
    check = CHECKS["mean shift"]
    assert outcome_of(check, shift, "coverage").is_met
    assert outcome_of(check, shift, "kid").is_met
    assert outcome_of(check, shift, "precision").is_met is False  # .77 for equal laws
    assert outcome_of(check, shift, "recall").is_met is False
    rounded = few_draws["rounded numbers"]
    assert rounded["real rows"]["precision"][-1] > 0.9  # numbers that cannot occur
    assert outcome_of(CHECKS["rounded numbers"], rounded, "precision").is_met is False
    assert outcome_of(CHECKS["rounded numbers"], rounded, "kid").is_met is None


def script():
    spec = spec_from_file_location("metrics_sanity", ROOT / "scripts" / "metrics_sanity.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_section_that_is_not_made_again_stays():
    controls = controls_section({"real": {"tail_coverage": [1.0, 0.5]}})
    assert "| real | 0.75 (0.5, 1) |" in controls
    text = f"# Sanity\n\n## Checks\n\nrows\n\n{controls}"
    assert script().split(text) == ("## Checks\n\nrows\n", controls)
    assert script().split("# Sanity\n") == ("", "")


@pytest.mark.numbers
def test_the_published_verdicts_are_made_again():
    results = {name: run_check(name) for name in CHECKS}
    made = verdict_table(verdicts(results))
    assert made in PAGE.read_text()
