"""TAB in a real bash, with the function that ``nc-testbed -sc install=bash`` prints."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(sys.executable).parent
ASK = """
eval "$(nc-testbed -sc install=bash)"
COMP_LINE=$1 COMP_POINT=${#1}
read -ra words <<< "$1"
COMP_CWORD=$((${#words[@]} - 1))
hydra_bash_completion
printf '%s\\n' "${COMPREPLY[@]}"
"""
"""What bash does when TAB is pressed behind a line: sets these and calls the function."""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("nc-testbed pol", ["policy.", "policy="]),
        ("nc-testbed policy=an", ["policy=anchor"]),
        (
            "nc-testbed -m model=gmm policy=re",
            ["policy=real", "policy=reparation", "policy=replace"],
        ),
        ("nc-testbed model=gmm model.co", ["model.components=", "model.covariance="]),
        ("nc-testbed sampling.temperature=", ["sampling.temperature=1.0"]),
        ("nc-testbed experiment=fresh", ["experiment=fresh_or_fixed"]),
        ("nc-testbed policy=none_such policy.", [""]),
    ],
)
def test_tab_offers_groups_options_and_keys(line, wanted, tmp_path):
    path = {"PATH": f"{HERE}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", line],
        capture_output=True, text=True, env=os.environ | path, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()) == wanted
    assert list(tmp_path.iterdir()) == []


def test_tab_does_not_wait_for_torch(tmp_path):
    code = (
        "import atexit, sys\nfrom nc_testbed import cli\n"
        "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))\ncli.main()"
    )
    command = [sys.executable, "-c", code, "-sc", "query=bash"]
    line = os.environ | {"COMP_LINE": "nc-testbed policy=an"}
    done = subprocess.run(command, capture_output=True, text=True, env=line, cwd=tmp_path)
    assert (done.stdout.split(), done.stderr) == (["policy=anchor"], "False\n")
