"""How much real data: the rule, the exact laws, the command line."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from statistic_runs import statistic_run

from nc_testbed.cli import plan as verb
from nc_testbed.families.bernoulli import BernoulliModel, BernoulliSource
from nc_testbed.families.gaussian import GaussianModel, GaussianSource
from nc_testbed.families.poisson import PoissonModel, PoissonSource
from nc_testbed.loop.closed_loop import closed_loop
from nc_testbed.plan import tail_class
from nc_testbed.plan.anchored_law import anchored_law
from nc_testbed.plan.answer import answer_question
from nc_testbed.plan.command import plan
from nc_testbed.plan.one_generation import measure_one_generation
from nc_testbed.plan.question import parse_request
from nc_testbed.plan.rule import Rule, draw_rules, measured_rule, smallest, variance_interval
from nc_testbed.plan.sweep import run_length
from nc_testbed.policies.anchor import Anchor
from nc_testbed.theory import chain, master
from nc_testbed.theory.rules import mean_check

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = sorted(set(re.findall(r"^python scripts/plan\.py .*", README, re.MULTILINE)))
SMALL = ["model=bernoulli", "data=bernoulli", "n=60", "chains=300"]


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Referees and plans of these tests go to folders of their own."""
    monkeypatch.setenv("NC_TESTBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("nc_testbed.config.output_dir.HOME", tmp_path / "home")


# --- the exact laws ---------------------------------------------------------------------------

LAWS = [  # overrides, V_0, c
    (["model=bernoulli", "data=bernoulli", "data.p=0.2"], 0.16, -1),
    (["model=categorical", "data=categorical", "data.probs=[0.2,0.5,0.3]"], 0.16, -1),
    (["model=poisson", "data=poisson", "data.rate=3"], 3.0, 0),
    (["model=gaussian", "data=gaussian", "model.learn=mean", "data.variance=4"], 4.0, 0),
    (["model=gaussian", "data=gaussian"], 1.0, -1),
    (["model=exponential", "data=exponential", "data.scale=2"], 4.0, 1),
]


@pytest.mark.parametrize(("overrides", "variance", "c"), LAWS)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_the_k_of_a_family_solves_its_exact_law(overrides, variance, c, share):
    n = 150
    k = np.arange(1, n + 1)
    law = variance / (k * (2 - k / n) - c * (1 - k / n))
    tolerance = float(np.sqrt(law[round(share * n)])) * (1 + 1e-9)
    asked = parse_request([*overrides, f"n={n}", "chains=50", f"tolerance={tolerance}"])
    found = answer_question(asked.question, measure_one_generation(asked))
    assert found.k == k[np.sqrt(law) <= tolerance][0] == round(share * n) + 1
    assert found.reached == pytest.approx(np.sqrt(law[found.k - 1]))


SIMULATED = [
    (BernoulliSource(p=0.2), BernoulliModel(), "mean"),
    (PoissonSource(rate=3.0), PoissonModel(), "mean"),
    (GaussianSource(variance=4.0), GaussianModel(dim=1, learn="mean"), "mean"),
]


@pytest.mark.parametrize(("source", "model", "metric"), SIMULATED)
@pytest.mark.parametrize("k", [1, 5, 40])
def test_the_predicted_variance_is_that_of_a_stationary_run(source, model, metric, k):
    n, R = 80, 8192
    laws = source.laws()
    model, (_, truth) = model.like(laws, 1), laws[0]
    law = anchored_law(
        model, {name: v[0].numpy() for name, v in truth.items()}, metric, n, n, 1.0
    )
    assert law is not None
    T = 1 + 8 * n // k
    sizes = (n,) * (T + 1)
    policy = Anchor(k=k, source="fresh")
    lab = statistic_run(model, truth, policy, 5, R, sizes, recorded=(T - 1,))
    values = next(iter(closed_loop(lab))).record[metric].numpy()
    centre = float(model.family().columns(truth, truth)[metric][0])
    check = mean_check((values - centre) ** 2, float(law.stationary(k)))
    assert check.verdict == "pass", check
    assert law.at(T, k) == pytest.approx(float(law.stationary(k)), rel=1e-5)


def test_without_bias_the_linear_rule_is_exact_where_c_is_zero():
    n, k = 200, np.arange(1, 201)
    law = anchored_law(PoissonModel(), {"rate": np.array(3.0)}, "mean", n, n, 1.0)
    assert law is not None
    rule = Rule(n, gap=0.0, bias=0.0, noise=3.0 / n, first=3.0 / n)
    np.testing.assert_allclose(rule.distance(k) ** 2, law.stationary(k), rtol=1e-12)
    np.testing.assert_allclose(rule.distance(10, t=7) ** 2, law.at(7, 10), rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "metric"),
    [({"estimator": "map"}, "mean"), ({}, "variance"), ({"temperature": 0.5}, "mean")],
)
def test_no_exact_law_is_claimed_where_there_is_none(change, metric):
    model = BernoulliModel(estimator=change.get("estimator", "mle"))
    temperature = change.get("temperature", 1.0)
    assert anchored_law(model, {"p": np.array(0.2)}, metric, 50, 50, temperature) is None


# --- the linear rule --------------------------------------------------------------------------


def test_the_rule_is_that_of_the_theory():
    rule = Rule(100, gap=0.1, bias=-0.02, noise=0.003, first=0.0)
    for k in (1, 30, 100):
        f = k / 100
        assert rule.offset(k) == pytest.approx(-0.02 * (1 - f) / f)
        assert rule.variance(k) == pytest.approx(0.003 / (f * (2 - f)))
        far = float(master.offset(5, f, -0.02)), float(master.chain_spread(5, f, 0.003))
        assert (float(rule.offset(k, 5)), float(rule.variance(k, 5))) == pytest.approx(far)
    shares = np.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(master.offset(4, shares, 1.0), [3.0, 0.875, 0.0])
    np.testing.assert_allclose(
        master.chain_spread(4, shares, 1.0), [3.0, (1 - 0.5**6) / 0.75, 1.0]
    )


def test_the_smallest_k_is_found():
    rng = np.random.default_rng(3)
    for n in (1, 7, 300):
        k = np.arange(1.0, n + 1)
        for gap, bias, noise in rng.normal(0, 0.05, (40, 3)):
            rule = Rule(n, gap, bias, noise**2, 0.0)
            within = np.sqrt((gap + bias * (n - k) / k) ** 2 + rule.variance(k)) <= 0.1
            first = k[within][0] if within.any() else np.inf
            assert rule.rows(0.1) == first, (n, gap, bias, noise)
    many = smallest(lambda k: k >= np.array([1.0, 12345678.0, 10.0**13]), 10**12)
    assert many.tolist() == [1.0, 12345678.0, np.inf]


def test_a_pool_keeps_what_fresh_rows_forget():
    fresh = Rule(100, 0.3, 0.0, 0.0, first=0.16)
    pool = Rule(100, 0.3, 0.0, 0.0, first=0.16, keeps=True)
    assert (float(fresh.floor), float(pool.floor)) == pytest.approx((0.3, 0.5))
    assert float(pool.distance(50)) == pytest.approx(0.5)


def test_intervals_of_the_rule_cover():
    """Generators of b and v, and the chi-square interval, hold the truth in 95% of experiments."""
    rng, R, hits = np.random.default_rng(8), 12, np.zeros(3)
    for _ in range(400):
        gaps, changes = rng.normal(0.2, 0.3, R), rng.normal(-0.1, 0.5, R)
        sure = draw_rules(measured_rule(50, gaps, changes, 0.0, False), gaps, changes, 0.0)
        for i, (draws, truth) in enumerate(
            [(sure.gap, 0.2), (sure.bias, -0.1), (sure.noise, 0.25)]
        ):
            low, high = np.quantile(np.asarray(draws), [0.025, 0.975])
            hits[i] += low <= truth <= high
    assert (np.abs(hits / 400 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400)).all(), hits
    v, low, high = variance_interval(np.array([1.0, 2.0, 4.0, 4.5]))
    assert low < v < high


def test_the_metrics_own_noise_is_taken_out():
    rng = np.random.default_rng(1)
    changes = rng.normal(0, 0.3, 5000) + rng.normal(0, 0.2, 5000) - rng.normal(0, 0.2, 5000)
    rule = measured_rule(100, np.zeros(5000), changes, 0.04, False)
    assert float(np.asarray(rule.noise)) == pytest.approx(0.09, rel=0.1)


# --- the tail ---------------------------------------------------------------------------------


def test_the_tail_class_has_the_k_of_the_exact_chain():
    n, p = 60, 0.05
    laws = [chain.stationary(chain.anchored_transition(n, k, p))[0] for k in range(1, n + 1)]
    for wanted in (0.3, 0.9):
        k = tail_class.rows_to_keep(n, p, wanted)
        assert k == 1 + int(np.argmax(1 - np.array(laws) >= wanted))
    assert tail_class.presence(n, n, p) == pytest.approx(1 - (1 - p) ** n)
    assert tail_class.rows_to_keep(n, 0.001, 0.9) is None


def test_beyond_the_exact_chain_the_limit_is_close(monkeypatch):
    known = tail_class.presence(2, 1000, 0.1), tail_class.rows_to_keep(1000, 0.01, 0.8)
    monkeypatch.setattr(tail_class, "EXACT", 10)
    assert tail_class.presence(2, 1000, 0.1) == pytest.approx(known[0], abs=0.01)
    assert tail_class.rows_to_keep(1000, 0.01, 0.8) == pytest.approx(known[1], rel=0.1)


# --- the command line -------------------------------------------------------------------------


def refused(capsys, tmp_path, *words):
    with pytest.raises(SystemExit) as left:
        verb.main(words)
    assert left.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("nc_testbed: "), lines
    assert not (tmp_path / "home").exists()
    return lines[0].removeprefix("nc_testbed: ")


REFUSED = [
    (SMALL, "tolerance=: say how far"),
    ([*SMALL, "tolerence=0.1"], "tolerance=: is missing; tolerence is not a key"),
    ([*SMALL, "tolerance=0"], "tolerance=0.0: give a number > 0"),
    ([*SMALL, "tolerance=much"], "tolerance=much: give a finite number"),
    ([*SMALL, "tolerance=1", "metric=meen"], "metric=meen: did you mean mean?"),
    ([*SMALL, "tolerance=1", "metrik=mean"], "metrik=mean: did you mean metric?"),
    ([*SMALL, "tolerance=1", "tail=2"], "tail=2.0: give a share"),
    ([*SMALL, "tolerance=1", "probability=1"], "probability=1.0: give a number above 0"),
    ([*SMALL, "tolerance=1", "source=fixed"], "source=fixed: use one of"),
    ([*SMALL, "tolerance=1", "policy=anchor"], "policy=anchor: a plan runs replace"),
    ([*SMALL, "tolerance=1", "policy.k=1"], "policy.k=1: a plan runs replace"),
    ([*SMALL, "tolerance=1,2"], "tolerance=1,2: a plan answers one question"),
    ([*SMALL, "tolerance=1", "n=[60,70]"], "n=[60, 70]: a plan is for equal numbers"),
    ([*SMALL, "tolerance=1", "chains=1"], "chains=1: intervals need at least 2"),
    ([*SMALL, "tolerance=1", "data.q=0.1"], "data.q=0.1: did you mean data.p?"),
    (["tolerance"], "tolerance=: cannot be read"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_bad_input_is_one_line(words, said, capsys, tmp_path):
    assert refused(capsys, tmp_path, *words).startswith(said)


def test_a_tolerance_below_the_gap_is_refused_with_that_number(capsys, tmp_path):
    # A generation 0 of 20 rows has 1/20 less variance on average than the truth.
    words = ["model=gaussian", "data=gaussian", "n=20", "metric=variance", "tolerance=0.03"]
    line = refused(capsys, tmp_path, *words)
    found = re.match(r"tolerance=0.03: generation 0 less the truth is (\S+) in variance", line)
    assert found and float(found[1]) == pytest.approx(-0.05, abs=0.02), line
    assert "no k closes it" in line


def test_help_and_the_commands_of_the_readme(capsys):
    verb.main(["--help"])
    assert "tolerance" in capsys.readouterr().out
    assert len(COMMANDS) >= 3
    for command in COMMANDS:
        parse_request(shlex.split(command.split(" #")[0])[2:]).config("policy=replace")


def plan_in(words, folder):
    return plan([*words, f"out={folder / 'plan'}"])


def strict(folder):
    def no(constant):
        raise AssertionError(constant)

    return json.loads((folder / "plan.json").read_text(), parse_constant=no)


def test_a_verified_plan_of_a_family(tmp_path, capsys):
    words = [*SMALL, "data.p=0.1", "tolerance=0.08", "verify=true"]
    folder = plan_in(words, tmp_path)
    plan, said = strict(folder), capsys.readouterr().out
    assert plan["by"] == "exact law" and plan["tail"]["share"] == 0.1
    assert (folder / "plan.png").stat().st_size > 10_000
    asked = parse_request(words)
    measured = measure_one_generation(asked)
    for one in plan["verified"]:
        table = pq.read_table(folder / one["run"] / "metrics.parquet")
        first = table.filter(np.array(table["generation"]) == 0)["mean"].to_numpy()
        assert (first == measured.x0).all()  # paired: the sweep starts where the plan did
        assert one["exact_law"]["verdict"] != "fail" and one["stationary"]
        assert (
            one["present"]["low"] <= one["present_predicted"] <= one["present"]["high"] + 0.01
        )
    assert plan["k"] in [one["k"] for one in plan["verified"]]
    assert f"k = {plan['k']} fresh real rows" in said and "by the exact law" in said


def test_where_the_linear_rule_fails_it_says_so(tmp_path, capsys):
    """A coin's variance answers anchors twice as well as its change in one generation says."""
    words = ["model=bernoulli", "data=bernoulli", "n=100", "metric=variance", "tolerance=0.02"]
    plan = strict(plan_in([*words, "verify=true"], tmp_path))
    assert plan["by"] == "linear rule"
    failed = [one["k"] for one in plan["verified"] if one["linear_rule"] == "fails"]
    assert failed
    assert f"the linear rule fails at k = {failed[0]}" in capsys.readouterr().out


@pytest.mark.parametrize("metric", ["recall", "nll"])
def test_a_mixture_is_measured_against_real_rows(metric, tmp_path, capsys):
    words = ["model=gmm", "model.components=8", "model.covariance=spherical", "data=mixture2d",
             "data.rows=80", "data.test_rows=80", "evaluation.rows=60", "chains=3",
             f"metric={metric}", "tolerance=9", "verify=true", "generations=3"]  # fmt: skip
    folder = plan_in(words, tmp_path)
    plan = strict(folder)
    assert (plan["truth"] is None) == (metric == "nll")
    assert plan["metric"] == metric and plan["n"] == 80 and plan["chains"] == 3
    for one in plan["verified"]:
        assert (folder / one["run"] / "summary.json").is_file()
        assert one["generation"] <= 2 and one["present"]["chains"] == 3
    assert "real rows per generation" in capsys.readouterr().out


def test_a_reserve_that_runs_out_shortens_the_runs(tmp_path):
    words = ["model=gmm", "model.components=2", "model.covariance=spherical", "data=wine",
             "chains=2", "tolerance=0.3", "metric=recall"]  # fmt: skip
    asked = parse_request(words)
    measured = measure_one_generation(asked)
    found = answer_question(asked.question, measured)
    assert measured.reserve is not None and measured.rows is not None
    T, cut = run_length(found, 5)
    assert (T, cut) == (max(2, 1 + measured.reserve // 5), True)
