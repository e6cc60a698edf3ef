"""A policy of the user's: ``compose`` is all it needs, and it has no law that it does not say."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nc_testbed.config.build import build_target
from nc_testbed.core.errors import BadInput
from nc_testbed.core.interfaces import Policy

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide" / "policy.md").read_text()
PYTHON, YAML = (
    re.search(rf"```{lang}\n(.*?)```", GUIDE, re.DOTALL) for lang in ("python", "yaml")
)
RESTART = """
from dataclasses import dataclass

from nc_testbed.policies.replace import Replace


@dataclass(frozen=True)
class Restart(Replace):
    trains_on_real = True

    def compose(self, archive, streams, budget):
        return archive.view(archive.original())
"""
COIN = ["data=bernoulli", "model=bernoulli", "n=50", "chains=40", "generations=4"]


def summary(folder, module, text, name, yaml):
    """What a run with a policy of the user's leaves."""
    (folder / f"{module}.py").write_text(text)
    target = folder / "my_conf" / "policy" / f"{name}.yaml"
    target.parent.mkdir(parents=True)
    target.write_text(yaml)
    words = ["--config-dir", "my_conf", f"extensions=[{module}]", f"policy={name}", *COIN]
    command = [
        sys.executable,
        ROOT / "scripts" / "train.py",
        *words,
        f"hydra.run.dir={folder}/run",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "run" / "summary.json").read_text())


def test_the_guides_policy_runs_and_defines_compose_alone(tmp_path):
    assert PYTHON and YAML
    cls = next(node for node in ast.parse(PYTHON[1]).body if isinstance(node, ast.ClassDef))
    members = {node.name for node in cls.body if isinstance(node, ast.FunctionDef)}
    assert members - {"__post_init__"} == {"compose"}
    left = summary(tmp_path, "my_policies", PYTHON[1], "refresh", YAML[1])
    assert (left["last"], left["laws"]) == (3, {})


def test_a_subclass_of_a_policy_runs_and_has_no_law(tmp_path):
    """It was judged by the law of replace, which it does not follow, and failed."""
    left = summary(tmp_path, "mine", RESTART, "restart", "_target_: mine.Restart\n")
    assert (left["last"], left["laws"]) == (3, {})
    # Every fit is that of generation 0, to the same real rows.
    ends = left["metrics"]["variance"]
    assert ends["first"] == ends["last"]


STRANGER = """
from dataclasses import dataclass


@dataclass(frozen=True)
class Stranger:
    window = 1
    trains_on_real = True
    needs_classifier = False

    def check(self, n, budget, real): ...
    def real_row_budget(self, n, budget): return {}
    def needs_rows(self, budget): return False
    def compose(self, archive, streams, budget): ...
"""
IDLE = """
from dataclasses import dataclass

from nc_testbed.core.interfaces import Policy


@dataclass(frozen=True)
class Idle(Policy):
    k: int = 1
"""


@pytest.mark.parametrize(
    ("module", "text", "name", "line"),
    [
        (
            *("stranger", STRANGER, "Stranger"),
            "policy._target_=stranger.Stranger: is no policy: name a class that is one, as "
            "nc_testbed.core.interfaces.Policy says",
        ),
        ("idle", IDLE, "Idle", "policy=Idle: Can't instantiate abstract class Idle with"),
    ],
)
def test_what_is_no_policy_ends_in_one_line(module, text, name, line, tmp_path, monkeypatch):
    (tmp_path / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BadInput) as caught:
        build_target({"_target_": f"{module}.{name}"}, "policy", (module,), Policy)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_the_defaults_refuse_nothing_and_take_no_real_rows():
    class Last(Policy):
        def compose(self, archive, streams, budget):
            return archive.view(archive.latest(archive.size))

    last = Last()
    assert (last.window, last.trains_on_real, last.needs_classifier) == (1, True, False)
    last.check(10, 5, 3)
    assert (last.real_row_budget(10, 5), last.needs_rows(5)) == ({}, False)
