"""The whole way from a file to a verdict, on worlds whose answer is known by law."""

import json
import re
import sys

import pytest
import yaml
from stated import WORLDS as WORLDS_OF_COIN
from stated import claim, question

from nc_testbed.claims.claim import Claim, read_claims
from nc_testbed.claims.claim_runs import make_runs, plan_run
from nc_testbed.claims.command import ClaimsSettings, judge_claims
from nc_testbed.claims.judge import answer_questions
from nc_testbed.cli import claims as verb
from nc_testbed.config.build import build
from nc_testbed.config.compose import CONF, configurations
from nc_testbed.report.arm import read_arms

KEEPS = question(value={"run": "real", "column": "variance"}, when="for real rows")
SHIPPED = CONF / "claims"


def judged(folder, out, claims="all", said=None, size="quick"):
    settings = ClaimsSettings(claims=claims, size=size, out=str(out), folder=str(folder))
    return judge_claims(settings, (lambda line: None) if said is None else said.append)


def test_right_and_wrong_claims_get_their_verdicts(folder, tmp_path):
    there = folder(a_true=claim(), b_false=claim(KEEPS), c_mixed=claim(question(), KEEPS))
    made = judged(there, tmp_path / "out")
    assert [each.verdict.kind for each in made] == ["supported", "refuted", "holds only if"]
    content = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert [c["verdict"] for c in content["claims"]] == [
        "supported",
        "refuted",
        "holds only if",
    ]
    number = content["claims"][0]["numbers"][0]
    # E p(1-p) = 0.25 (1 - 1/20)^101 after 101 resamplings of 20 tosses
    assert number["low"] < (1 - 1 / 20) ** 101 < number["high"]
    assert "| **refuted** |" in (tmp_path / "out" / "claims.md").read_text()


def test_the_page_needs_nothing_from_outside(folder, tmp_path):
    judged(folder(a=claim(sentence="A < B & <script>alert(1)</script>")), tmp_path / "out")
    html = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in html
    assert not re.search(r"(src|href)=['\"](?!data:image/png;base64,|#)", html)
    assert "python scripts/claims.py claims=a size=quick" in html
    assert "scripts/train.py data=bernoulli" in html


def test_runs_are_shared_and_taken_up_again(folder, tmp_path):
    there, said = folder(a=claim(), b=claim(KEEPS)), []
    judged(there, tmp_path / "out", said=said)
    assert said[0].startswith("2 claims, 2 runs")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("summary.json")}
    assert len(before) == 2
    next(iter(before)).unlink()  # as if it had been interrupted
    judged(there, tmp_path / "out", claims="b")
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("summary.json")}
    assert set(before) == set(after)
    assert sum(before[p] != after[p] for p in before) == 1


def test_the_full_size_takes_the_full_worlds(folder, tmp_path):
    made = judged(folder(a=claim()), tmp_path / "out", size="full")
    assert "n=40" in made[0].runs["replace"].overrides


def test_a_run_is_its_world_with_what_it_changes():
    stated = build(Claim, claim(runs={"replace": "coin n=5 policy=replace", "real": "coin"}))
    words = stated.overrides("quick", WORLDS_OF_COIN)
    world = ["data=bernoulli", "model=bernoulli", "n=20", "chains=300", "generations=101"]
    assert words["real"] == world
    assert words["replace"] == [w for w in world if w != "n=20"] + ["n=5", "policy=replace"]


@pytest.mark.parametrize(
    ("words", "nodes", "line"),
    [
        (["claims=nme"], {}, "claims=nme: did you mean name? "),
        (["size=huge"], {}, "size=huge: use one of (full, quick)"),
        (["sise=full"], {}, "sise=full: did you mean size? "),
        (["quick"], {}, "quick=: write key=value"),
        (["folder=nowhere"], {}, "folder=nowhere: no such folder"),
        ([], {"runs": {"replace": "coin n=-1", "real": "coin"}}, "n=-1: give 1 to"),
        (
            [],
            {"runs": {"replace": "coin polcy=real", "real": "coin"}},
            "polcy=real: did you mean ",
        ),
        (
            [],
            {"runs": {"replace": "con", "real": "coin"}},
            "runs.replace=con: did you mean coin? ",
        ),
        (
            [],
            {"runs": {"replac": "coin"}},
            "name.questions[0].run=replace: did you mean replac? ",
        ),
        ([], {"sentence": 3}, "name.sentence=3: give a text"),
        ([], {"rule": "any"}, "name.rule=any: use one of "),
        ([], {"questions": [question(holds={})]}, "name.questions[0].holds.above=None: give "),
        (
            [],
            {"questions": [question(when="")]},
            "name.when=share of the variance kept: say when",
        ),
        (
            [],
            {"questions": [question(value={"run": "real"})]},
            "name.questions[0].value.column=",
        ),
    ],
)
def test_bad_input_is_one_line_and_creates_nothing(
    words, nodes, line, folder, tmp_path, monkeypatch, capsys
):
    there, out = folder(name=claim(**nodes)), tmp_path / "out"
    given = ["claims.py", f"folder={there}", f"out={out}", *words]
    monkeypatch.setattr(sys, "argv", given)
    with pytest.raises(SystemExit) as left:
        verb.main()
    said = capsys.readouterr()
    assert left.value.code == 2
    assert said.err.startswith(f"nc_testbed: {line}")
    assert said.err.count("\n") == 1
    assert not out.exists()


def test_a_folder_without_a_claim_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["claims.py", f"folder={tmp_path / 'empty'}"])
    with pytest.raises(SystemExit) as left:
        verb.main()
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        f"nc_testbed: folder={tmp_path / 'empty'}: no claim is there, a .yaml file each\n"
    )


def test_help_names_every_key(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["claims.py", "--help"])
    verb.main()
    said = capsys.readouterr().out
    assert all(f"  {key} " in said for key in ClaimsSettings.__dataclass_fields__)


def test_a_file_that_is_no_claim_is_refused(folder, tmp_path, monkeypatch, capsys):
    there = folder()
    (there / "broken.yaml").write_text("a: [1")
    monkeypatch.setattr(
        sys, "argv", ["claims.py", f"folder={there}", f"out={tmp_path / 'out'}"]
    )
    with pytest.raises(SystemExit):
        verb.main()
    assert "cannot be read" in capsys.readouterr().err


def tiny(overrides):
    """The same run in a second: three generations of few chains and rows, few steps."""
    small = {
        "generations": "3", "chains": "2", "record.generations": "1", "model.steps": "2",
        "evaluation.rows": "60", "n": "40", "data.rows": "40", "compute.chains": "2",
    }  # fmt: skip
    if "data=mnist_lt" in overrides:
        small |= {
            "data.rows": "300",
            "n": "300",
            "evaluation.rows": "200",
            "data.test_rows": "20",
        }
    changed = [w for w in overrides if w.partition("=")[0] not in small]
    given = {w.partition("=")[0] for w in overrides} | {"generations", "chains"}
    return [*changed, *(f"{key}={value}" for key, value in small.items() if key in given)]


@pytest.fixture(scope="module")
def runs_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


WORLDS = yaml.safe_load((SHIPPED.parent / "worlds.yaml").read_text())


@pytest.mark.parametrize("name", list(read_claims(SHIPPED)))
def test_every_claim_of_the_project_can_be_judged(name, runs_folder):
    stated = read_claims(SHIPPED, name)[name]
    (file,) = SHIPPED.glob(f"*_{name}.yaml")
    assert "Rule fixed before the runs" in file.read_text()
    with configurations():
        for overrides in stated.overrides("full", WORLDS).values():
            plan_run(overrides, runs_folder)
        quick = stated.overrides("quick", WORLDS)
        runs = {run: plan_run(tiny(words), runs_folder) for run, words in quick.items()}
        make_runs(list({run.path: run for run in runs.values()}.values()), lambda line: None)
    arms = {run: read_arms([each.path])[0] for run, each in runs.items()}
    assert len(answer_questions(stated, arms)) == len(stated.questions)
    for wanted in stated.panels:
        assert all(wanted.column in arms[run].means for run in wanted.runs)


def test_ten_claims_are_stated():
    assert len(read_claims(SHIPPED)) >= 10
