"""``--help`` and ``--cfg job``: every option and key with its description, and values in force."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from nc_testbed.cli import train as cli
from nc_testbed.cli.describe import Book, describe_file
from nc_testbed.cli.help_page import as_override
from nc_testbed.config.compose import CONF, compose_choices, compose_config, configurations

ROOT = Path(__file__).parents[1]
GROUPS = ("data", "model", "policy", "metrics", "experiment")
OPTIONS = [
    (group, file.stem) for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))
]
DESCRIBED = [CONF / "config.yaml", *(CONF / g / f"{o}.yaml" for g, o in OPTIONS)]


def printed(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    monkeypatch.delenv("COLUMNS", raising=False)
    cli.main()
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


@pytest.mark.parametrize("file", DESCRIBED, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_every_option_and_every_key_has_a_description(file):
    found = describe_file(file.read_text())
    assert len(found.text) > 10
    said = {
        key: text for key, text in found.keys.items() if not re.search(r"_target_|^hydra", key)
    }
    if (
        file.parent.name == "experiment"
    ):  # a diff, whose keys are described where they come from
        return
    said = {
        key: text
        for key, text in said.items()
        if not re.search("^defaults(.(over|/|exp))?", key)
    }
    if file.parent.name == "metrics":
        said.pop(file.stem, None)  # the metric itself, of which the file's first line speaks
    assert [key for key, text in said.items() if len(text) < 4] == []


def test_comments_are_found_wherever_they_may_stand():
    text = (
        "# @package _global_\n# Question: what is it,\n# and why?\n# Source: none\n"
        "defaults:\n  - a: b # which\nx: 1 # one\n# and more\n\n# of nothing\n"
        "y: 'a # b' # two\nz: [1,\n  2] # three\n"
        "n: # four\n  m: {k: 1} # five\n  e:\n# of e, not of n\n"
    )
    found = describe_file(text)
    assert found.text == "what is it, and why?"
    assert found.keys == {
        "defaults": "", "defaults.a": "which", "x": "one and more", "y": "two", "z": "three",
        "n": "four", "n.m": "five", "n.m.k": "", "n.e": "",
    }  # fmt: skip


def test_help_lists_every_option_of_every_group_and_marks_those_chosen(monkeypatch, capsys):
    page = printed(monkeypatch, capsys, "--help", "policy=collect", "metrics=[recall,vendi]")
    groups = page.split("SETTINGS")[0].split("\n\n")
    for group in GROUPS:
        (block,) = (b for b in groups if b.startswith(f"{group}: "))
        found = re.findall(r"^([* ]) (\w+)  +\S", block, re.MULTILINE)
        names = {name for mark, name in found}
        longer = {name for _, name in re.findall(r"^([* ]) (\w+)$", block, re.MULTILINE)}
        assert names | longer == {option for g, option in OPTIONS if g == group}
        marked = {name for mark, name in found if mark == "*"}
        taken = {"policy": {"collect"}, "metrics": {"recall", "vendi"}, "data": {"mnist_lt"}}
        assert marked == taken.get(group, marked)
    assert "claims" not in page
    assert max(map(len, page.splitlines())) <= 100


def test_help_describes_the_settings_of_what_is_chosen_with_the_values_in_force(
    monkeypatch, capsys
):
    page = printed(
        monkeypatch, capsys, "--help", "model=gmm", "model.max_iter=7", "policy=weighted",
        "policy@policy.inner=collect", "n=[5,6]",
    )  # fmt: skip
    assert re.search(r"^  model\.max_iter=7 +most EM steps per fit, >= 1$", page, re.MULTILINE)
    assert re.search(
        r"^  policy\.inner\.k=1 +fresh real rows per generation", page, re.MULTILINE
    )
    assert re.search(r"^  n=\[5,6\] +rows per generation and chain", page, re.MULTILINE)
    assert "model=gmm: Gaussian mixture fitted by" in page
    assert "model.hidden" not in page
    assert "_target_" not in page.split("SETTINGS")[1].replace("whose classes a _target_", "")


def test_settings_on_the_help_page_can_be_given_as_they_are_as_override(monkeypatch, capsys):
    """What is printed is an override: given back, it changes nothing. Every option once."""
    options = [[option for g, option in OPTIONS if g == group] for group in GROUPS[:4]]
    for i in range(max(map(len, options))):
        chosen = [f"{g}={o[i % len(o)]}" for g, o in zip(GROUPS, options, strict=False)]
        page = printed(monkeypatch, capsys, "--help", *chosen).split("\nSETTINGS")[1]
        words = re.findall(r"^  ([\w.]+=\S+|[\w.]+='.*?')(?:  |$)", page, re.M)
        assert len(words) > 20
        words = [word for word in words if not word.startswith("metrics.auto")]
        with configurations():
            assert compose_config([*chosen, *words]) == compose_config(chosen)


@pytest.mark.parametrize(
    "value", ["a b", "it's", "null", "1e5", "${n}", "~/x", "", "a,b", [{"k": "x"}]]
)
def test_values_are_written_as_overrides_read_them(value):
    override = OverridesParser.create().parse_override(f"a={as_override(value)}")
    assert override.value() == value


COMMANDS = [
    [],
    ["policy=anchor", "policy.k=3"],
    ["policy=weighted", "policy@policy.inner=collect", "policy.inner.k=2"],
    ["model=gmm", "data=mixture2d", "metrics=[recall,likelihood]", "n={first: 9, power: 2}"],
    ["metrics=recall", "extensions=[nc_testbed]"],
    ["experiment=gaussian_grid"],
    ["policy=real", "data=arrays", "data.path='a: b # c'"],
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_cfg_is_yaml_of_the_settings_in_force(words, monkeypatch, capsys):
    page = printed(monkeypatch, capsys, *words, "--cfg", "job")
    found = yaml.safe_load(page)
    assert found.pop("defaults")
    with configurations():
        assert found == compose_choices(words)[0]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_cfg_can_be_given_back(words, monkeypatch, capsys, tmp_path):
    page = printed(monkeypatch, capsys, *words, "--cfg", "job")
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(page)
    given = ["--config-dir", str(tmp_path), "experiment=mine"]
    again = printed(monkeypatch, capsys, *given, "--cfg", "job")
    assert yaml.safe_load(again) == yaml.safe_load(page)
    page = printed(monkeypatch, capsys, *given, "--help")
    assert "* mine" in page


def test_cfg_describes_every_key(monkeypatch, capsys):
    page = printed(monkeypatch, capsys, "policy=anchor", "policy.k=3", "--cfg", "job")
    assert re.search(r"^  k: 3 +# real rows per generation, 0 to n", page, re.MULTILINE)
    assert re.search(
        r"^policy: +# anchor: Every generation trains on k real rows", page, re.MULTILINE
    )
    assert re.search(r"^sampling: +# how rows are drawn", page, re.MULTILINE)
    assert max(map(len, page.splitlines())) <= 100


def test_cfg_shows_what_a_value_refers_to_where_it_is_asked_for(monkeypatch, capsys):
    words = ["n=30", "budget=${n}", "--cfg", "job"]
    assert yaml.safe_load(printed(monkeypatch, capsys, *words))["budget"] == "${n}"
    assert yaml.safe_load(printed(monkeypatch, capsys, *words, "--resolve"))["budget"] == 30


def test_an_override_cannot_add_lines_to_the_page(monkeypatch, capsys):
    page = printed(monkeypatch, capsys, "data=arrays", "data.path='a\nseed: 9'", "--cfg", "job")
    found = yaml.safe_load(page)
    assert (found["seed"], found["data"]["path"]) == (0, "a\nseed: 9")


@pytest.mark.parametrize("action", [["--help"], ["--cfg", "job"]])
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("polcy=anchor", "polcy=anchor: did you mean policy?"),
        ("metrics=[]", "metrics=None: choose one: metrics=name"),
        ("seed=1,2", "seed=1,2: several values make several runs"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(action, word, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train.py", word, *action])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    found = capsys.readouterr()
    assert found.out == "" and found.err.startswith(f"nc_testbed: {said}")
    assert len(found.err.splitlines()) == 1


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    script = [sys.executable, str(ROOT / "scripts" / "train.py"), "--help"]
    with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout and started.stderr
        started.stdout.close()
        assert started.stderr.read() == b""
    assert started.returncode == 0


def test_the_page_is_as_wide_as_its_reader(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setattr(sys, "argv", ["train.py", "--help"])
    cli.main()
    usage = capsys.readouterr().out.split("\nUSAGE")
    assert max(map(len, usage[0].splitlines())) <= 70


def test_options_of_a_folder_of_ones_own_are_listed(monkeypatch, capsys, tmp_path):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "mine.yaml").write_text("# Mine alone.\nk: 5 # rows\n")
    words = ["--config-dir", str(tmp_path), "policy=mine"]
    page = printed(monkeypatch, capsys, *words, "--help")
    assert re.search(r"^\* mine +Mine alone\.$", page, re.MULTILINE)
    assert re.search(r"^  policy\.k=5 +rows$", page, re.MULTILINE)
    assert Book([CONF, tmp_path]).options("policy")["mine"] == "Mine alone."
    assert not os.listdir(tmp_path / "policy")[1:]
