"""What the documents say is there, and their commands can be run."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from nc_testbed.cli.request import read_request
from nc_testbed.cli.resume import read_resume
from nc_testbed.config.compose import configurations
from nc_testbed.core.errors import BadInput

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SPANS = re.findall(r"`(python scripts/train\.py [^`]*)`", README.replace("\n", " "))
LINES = re.findall(r"^python scripts/train\.py .*", README, re.MULTILINE)
COMMANDS = sorted(
    {re.sub(r" +", " ", text.split(" #")[0].strip()) for text in [*SPANS, *LINES]}
)


def test_commands_were_found():
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_can_be_run(command, tmp_path, monkeypatch):
    words = shlex.split(command)[2:]
    if "--help" in words or any(re.search("NAME|mine", word) for word in words):
        return
    if any(word.startswith("resume=") for word in words):
        with pytest.raises(BadInput, match="no run there"):  # until one has been made
            read_resume(words)
        return
    monkeypatch.setenv("NC_TESTBED_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "nc_testbed.sweeps.engines._is_installed", lambda plugin: True
    )  # an extra
    with configurations():
        read_request([w for w in words if not w.startswith("-")], "-m" in words, [])


def test_every_law_and_every_study_is_listed():
    listed = (ROOT / "docs" / "laws.md").read_text()
    for file in (ROOT / "nc_testbed" / "theory").glob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                assert f"| `{node.name}` |" in listed, f"{file.stem}.{node.name}"
    for file in (ROOT / "conf" / "experiment").glob("*.yaml"):
        assert f"`{file.stem}`" in README or f"experiment={file.stem}" in README, file.stem


def test_the_verdicts_of_the_readme_are_those_that_were_made():
    made = (ROOT / "docs" / "claims.md").read_text()
    table = made[made.index("| claim |") :].partition("\n\n")[0]
    assert table.count("\n") >= 11
    assert table in README
    assert "@@" not in README
