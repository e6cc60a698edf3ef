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
    "metrics": 2, "alarm": 2, "loop": 3, "statistics_loop": 3, "run": 4, "report": 5, "bench": 7,
    "resolved": 5, "compose": 6, "verify": 5, "resume": 7, "sweeps": 7, "claims": 7, "plan": 7,
    "cli": 8, "rebuild": 6,
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
    """Words become settings in compose and resolved, the jobs of a sweep in two files of sweeps."""
    names = {name.split(".")[0] for name in imported(path)}
    known = ("cli.py", "compose.py", "resolved.py", "sweeps/overrides.py", "sweeps/planned.py")
    if str(path.relative_to(PACKAGE)) not in known:
        assert not names & {"hydra", "omegaconf"}, path


ROOT = PACKAGE.parent
RUN = sorted([*MODULES, *(ROOT / "scripts").glob("*.py")])
HELPERS = [p for p in sorted((ROOT / "tests").rglob("*.py")) if not p.name.startswith("test_")]
UNSAFE = (
    r"(import|from) (pickle|dill|joblib|marshal|shelve)\b|pickle\.(load|Unpickler)"
    r"|torch\.load|weights_only=False|allow_pickle=True|\beval\(|\bexec\("
    r"|np\.load\((?![^)]*allow_pickle=False)|yaml\.(unsafe_|full_)?load(_all)?\("
    r"|shell=True|os\.(system|popen)\("
)
"""What no module may contain: each can run code that a file or a setting brings along."""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_ambient_randomness(path):
    ambient = r"torch\.manual_seed|np\.random\.(seed|rand|normal)|np\.random\.default_rng\(\)"
    assert not re.search(f"{ambient}|import random", path.read_text())


@pytest.mark.parametrize("path", [*RUN, *HELPERS], ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_that_runs_what_a_file_brings_along(path):
    found = re.search(UNSAFE, path.read_text(), re.MULTILINE)
    assert not found, found


@pytest.mark.parametrize(
    "line",
    ["import pickle", "pickle.load(f)", "torch.load(f)", "np.load(f)", "yaml.load(f, L)", "eval(x)",
     "f(weights_only=False)", "np.load(f, allow_pickle=True)", "yaml.unsafe_load(f)", "exec(x)",
     "run(x, shell=True)", "os.system(x)", "from pickle import loads", "import joblib"],
)  # fmt: skip
def test_what_is_unsafe_is_found(line):
    assert re.search(UNSAFE, line, re.MULTILINE)


@pytest.mark.parametrize(
    "line", ["np.load(f, allow_pickle=False)", "yaml.safe_load(f)", "# no pickle is ever read"]
)
def test_what_is_safe_is_not(line):
    assert not re.search(UNSAFE, line, re.MULTILINE)


def test_the_loop_neither_writes_nor_logs():
    names = {name.split(".")[0] for name in imported(PACKAGE / "loop.py")}
    assert not names & {"logging", "pathlib", "os", "tensorboard", "pyarrow", "rich"}
