"""The layers of the design, read from the imports of every module."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "nc_testbed"
LAYERS = {
    "types": 0, "rng": 0, "blocks": 0, "archive": 0, "intervals": 0, "parallel": 0,
    "settings": 0, "build": 0, "families": 0, "statistics": 0, "stream": 0, "compute": 0,
    "storage": 0, "lineage": 0, "plain_yaml": 0, "places": 0, "launching": 0, "status": 0,
    "models": 1, "policies": 1, "data": 1, "theory": 1,
    "metrics": 2, "alarm": 2, "loop": 3, "statistics_loop": 3, "run": 4, "report": 5, "bench": 6,
    "compose": 5, "verify": 5, "resume": 6, "claims": 6, "plan": 6, "cli": 7, "rebuild": 6,
}  # fmt: skip
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer(parts: tuple[str, ...]) -> int:
    return LAYERS[parts[0]]


def imported(path: Path) -> set[str]:
    """Every module name imported anywhere in a file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.add(node.module or "")
    return names


def test_the_modules_were_found():
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down_only(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts
    if own == ("__init__",):
        return
    for name in imported(path):
        if name.startswith("nc_testbed."):
            target = tuple(name.split(".")[1:])
            below, same_group = layer(target) < layer(own), target[0] == own[0]
            assert below or same_group or layer(own) == layer(target) == 0, f"{path}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_command_line_knows_hydra(path):
    names = {name.split(".")[0] for name in imported(path)}
    if path.name not in ("cli.py", "compose.py"):
        assert not names & {"hydra", "omegaconf"}, path


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_ambient_randomness_and_no_pickle(path):
    text = path.read_text()
    ambient = r"torch\.manual_seed|np\.random\.(seed|rand|normal)|np\.random\.default_rng\(\)"
    # The words that no module may contain: each can run code that a file brings along.
    unsafe = r"import pickle|pickle\.load|torch\.load|weights_only=False|allow_pickle=True|\beval\("
    assert not re.search(f"{ambient}|{unsafe}|import random", text)


def test_the_loop_neither_writes_nor_logs():
    names = {name.split(".")[0] for name in imported(PACKAGE / "loop.py")}
    assert not names & {"logging", "pathlib", "os", "tensorboard", "pyarrow", "rich"}
