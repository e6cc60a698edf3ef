"""One door: its verbs, their one grammar, and where each of them writes."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nc_testbed import __version__
from nc_testbed.cli import door
from nc_testbed.config import build, compose, output_dir

ROOT = Path(__file__).parents[2]
COIN = [
    "data=bernoulli",
    "model=bernoulli",
    "policy=replace",
    "n=20",
    "chains=5",
    "generations=2",
]


def opened(monkeypatch, capsys, *words) -> tuple[int, str, str]:
    """The status of ``nc-testbed``, what it prints, and what it complains of."""
    monkeypatch.setattr(sys, "argv", ["nc-testbed", *map(str, words)])
    status = 0
    try:
        door.open_door()
    except SystemExit as left:
        status = left.code
    return status, *capsys.readouterr()


@pytest.mark.parametrize("verb", door.VERBS)
def test_every_verb_has_a_page_and_says_where_it_writes(verb, monkeypatch, capsys):
    status, page, errors = opened(monkeypatch, capsys, verb, "--help")
    assert (status, errors) == (0, "")
    assert "out" in page and len(page.splitlines()) > 4
    assert f"  {verb}" in opened(monkeypatch, capsys, "--help")[1]


@pytest.mark.parametrize("verb", ["", *door.VERBS])
def test_the_version_is_ours(verb, monkeypatch, capsys):
    words = [*filter(None, [verb]), "--version"]
    assert opened(monkeypatch, capsys, *words) == (0, f"nc_testbed {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["trian"], "verb=trian: did you mean train? (bench, claims,"),
        (["reprot", "outputs"], "verb=reprot: did you mean report? "),
        (["report", ".", "--columns", "recall"], "--columns=: write columns=VALUE"),
        (["report", ".", "--out=x"], "--out=x: write out=VALUE"),
        (["report", ".", "clumns=recall"], "clumns=recall: did you mean columns?"),
        (["export", ".", "--out", "a.csv"], "--out=: write out=VALUE"),
        (["export", "."], "out=.: name a file that ends in .parquet or .csv"),
        (["verify", ".", "origin=a.npz"], "origin=a.npz: it is called out now"),
        (["verify", ".", "."], "folder=. .: name one run"),
        (["verify", ".", "rows=maybe"], "rows=maybe: give true or false"),
        (["verify"], "folder=: name the directory of a run"),
        (["rebuild", "a", "b", "out=c"], "out=c: name one run to go with it"),
        (["claims", "somewhere"], "somewhere=: write key=value (claims, folder, out, size)"),
        (["bench", "--fast"], "--fast=: write key=value (chains, device, out, rows)"),
        (["report", ".", "out=../x"], "out=../x: leads out of the working directory"),
        (["claims", "out=../x"], "out=../x: leads out of the working directory"),
        (["bench", "out=../x"], "out=../x: leads out of the working directory"),
        (["plan", "tolerance=1", "out=../x"], "out=../x: leads out of the working directory"),
        (["rebuild", "a", "out=../x"], "out=../x: leads out of the working directory"),
        (["verify", "a", "out=../x/a.npz"], "out=../x: leads out of the working directory"),
        (["train", *COIN, "out=../x"], "out=../x: leads out of the working directory"),
        (["train", *COIN, "out=a", "hydra.run.dir=b"], "out=a: is hydra.run.dir too: give one"),
    ],
)
def test_a_wrong_word_is_one_line_in_every_verb(words, line, tmp_path, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    status, page, errors = opened(monkeypatch, capsys, *words)
    assert (status, page) == (2, "")
    assert errors.startswith(f"nc_testbed: {line}") and errors.count("\n") == 1, errors
    assert [p.name for p in tmp_path.rglob("*")] == ["here"]


def test_out_follows_the_folder_one_stands_in(tmp_path, monkeypatch, capsys):
    """One rule for a run, a sweep, its report, its table and a rebuilt view."""
    monkeypatch.chdir(tmp_path)
    status, text, _ = opened(monkeypatch, capsys, "train", *COIN, "out=runs/a")
    assert status == 0 and f"run: {tmp_path / 'runs' / 'a'}" in text
    words = ["-m", *COIN, "seed=1,2", "out=runs/sweep"]
    status, text, _ = opened(monkeypatch, capsys, *words)  # without a verb: train
    assert status == 0 and f"2 runs in {tmp_path / 'runs' / 'sweep'}" in text
    made = sorted(p.parent.name for p in Path("runs/sweep").glob("*/summary.json"))
    assert [re.sub("-.*", "", name) for name in made] == ["seed=1", "seed=2"]
    monkeypatch.chdir("runs/sweep")  # names of runs have a = in them, and are folders
    status, text, _ = opened(monkeypatch, capsys, "verify", made[0])
    assert status == 0 and "all verifies" in text
    monkeypatch.chdir(tmp_path)
    status, text, _ = opened(monkeypatch, capsys, "rebuild", "runs/a", "out=view")
    assert status == 0 and list(Path("view").glob("events.out.tfevents.*"))
    assert opened(monkeypatch, capsys, "export", "runs/sweep", "out=all.csv")[0] == 0
    assert Path("all.csv").is_file()


def test_what_lies_nowhere_goes_to_outputs(tmp_path, monkeypatch):
    monkeypatch.setattr(output_dir, "HOME", tmp_path)
    first, second = output_dir.output_of("plan", None), output_dir.output_of("plan", None)
    assert first.parent == second.parent == tmp_path / "outputs" / "plan" != first
    assert first != second
    assert output_dir.output_of("plan", "here") == Path.cwd() / "here"


def test_options_may_stand_anywhere(tmp_path, monkeypatch, capsys):
    words = ["train", *COIN, "-m", "seed=1,2", f"out={tmp_path / 'sweep'}"]
    assert opened(monkeypatch, capsys, *words)[0] == 0


def test_the_configuration_of_a_run_is_composed_once(tmp_path, monkeypatch, capsys):
    calls = []
    real = compose.compose

    def counted(*arguments, **options):
        calls.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(compose, "compose", counted)
    assert opened(monkeypatch, capsys, "train", *COIN, f"out={tmp_path / 'run'}")[0] == 0
    assert len(calls) == 1
    assert sys.argv[2:] == [*COIN, f"out={tmp_path / 'run'}"]  # nobody has added to it


def test_a_run_is_prepared_once(tmp_path, monkeypatch, capsys):
    from nc_testbed.run import prepare

    calls = []
    real = prepare.prepare

    def counted(config):
        calls.append(config)
        return real(config)

    monkeypatch.setattr(prepare, "prepare", counted)
    assert opened(monkeypatch, capsys, "train", *COIN, f"out={tmp_path / 'run'}")[0] == 0
    assert len(calls) == 1


def test_a_logger_that_python_refuses_is_one_line(tmp_path, monkeypatch, capsys):
    words = ["train", *COIN, "+hydra.job_logging.root.level=LOUD", f"out={tmp_path / 'run'}"]
    status, _, errors = opened(monkeypatch, capsys, *words)
    assert status == 2 and errors.startswith(
        "nc_testbed: hydra.job_logging=given: cannot be used"
    )
    assert errors.count("\n") == 1


KEYS = {  # an old key, and the choices it belongs to
    "rate": "model", "batch": "model", "latent": "model", "steps": "model", "held_out": "data",
    "imbalance": "data", "least": "policy", "right": "policy", "wrong": "policy",
    "weight": "policy",
}  # fmt: skip
CHOICES = {"rate": "vae", "batch": "vae", "latent": "vae", "steps": "gmm", "least": "verified",
           "right": "verified", "wrong": "verified", "weight": "weighted"}  # fmt: skip
ELSEWHERE = {
    "origin": (["verify", "."], "origin"),
    "gini": (["plan", *COIN[:2], "tolerance=1"], "metric"),
    "modes_held": (["plan", "data=mixture2d", "model=gmm", "tolerance=1"], "metric"),
    "high_quality": (["plan", "data=mixture2d", "model=gmm", "tolerance=1"], "metric"),
}
"""Old names that are no settings of a run: where they are typed."""


def test_every_old_name_is_tried():
    assert {*KEYS, *ELSEWHERE} == set(build.RENAMED)


@pytest.mark.parametrize("old", KEYS)
def test_an_old_key_names_the_new_one(old, tmp_path, monkeypatch, capsys):
    group = KEYS[old]
    words = [f"{group}={CHOICES[old]}"] if old in CHOICES else []
    place = f"out={tmp_path / 'run'}"
    words = ["train", "data=digits", *words, f"{group}.{old}=3", place]
    status, page, errors = opened(monkeypatch, capsys, *words)
    assert (status, page) == (2, "")
    new = f"{group}.{build.RENAMED[old]}"
    assert errors == f"nc_testbed: {group}.{old}=3: it is called {new} now\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("old", ELSEWHERE)
def test_an_old_name_of_a_column_or_a_word_names_the_new_one(
    old, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    words, key = ELSEWHERE[old]
    word = f"{key}={old}" if key == "metric" else f"{key}=3"
    status, page, errors = opened(monkeypatch, capsys, *words, word)
    assert (status, page) == (2, "")
    assert errors.endswith(f": it is called {build.RENAMED[old]} now\n"), errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", door.VERBS)
def test_a_script_is_a_door_to_its_verb(verb):
    module = door.VERBS[verb].module
    doors = [
        p for p in (ROOT / "scripts").glob("*.py") if f"from {module} import" in p.read_text()
    ]
    assert len(doors) == 1
    assert len(ast.parse(doors[0].read_text()).body) == 3  # what it is, an import, a call


@pytest.mark.parametrize("words", [["--help"], ["trian"], ["report", "--help"], ["plan", "--help"],
                                   ["claims", "--help"], ["bench", "--help"], ["report", "--x"],
                                   ["rebuild", "--help"], ["export", "--help"]])  # fmt: skip
def test_no_page_waits_for_torch(words, tmp_path):
    code = (
        "import atexit, sys\nfrom nc_testbed import cli\n"
        "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))\ncli.main()"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "False"


def test_without_verb_or_words_the_verbs_are_listed(monkeypatch, capsys):
    status, page, _ = opened(monkeypatch, capsys)
    assert status == 0 and all(verb in page for verb in door.VERBS)


def test_a_sweep_over_studies_takes_them_as_they_are(tmp_path, monkeypatch, capsys):
    """Not as one study that has one size and is swept over by itself."""
    studies = ["experiment=forgetting_coin,forgetting_counts", "size=quick,full"]
    small = ["n=10", "chains=2", "generations=2", "figure=null", f"out={tmp_path / 'sweep'}"]
    status, text, errors = opened(monkeypatch, capsys, "train", "-m", *studies, *small)
    assert (status, errors) == (0, "")
    assert "4 runs in" in text
