"""The rooms of the house, read from the imports of every module."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nc_testbed"
ROOMS = (
    "core", "theory", "laws", "policies", "data", "families", "metrics", "loop", "models", "config",
    "record", "view", "run", "sweeps", "report", "claims", "plan", "bench", "cli", "plugins",
)  # fmt: skip
"""A module imports its own room and rooms to the left of it."""
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in MODULES}
HYDRA = ("config", "plugins")
"""The rooms that import Hydra."""


def imported(path: Path) -> set[str]:
    """Every module name imported anywhere in a file."""
    names = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def own_imports(path: Path) -> set[str]:
    """The modules of this package that a module imports, as ``room.module``."""
    names = {
        name.removeprefix("nc_testbed.") for name in imported(path) if "nc_testbed." in name
    }
    known = {".".join(other.relative_to(PACKAGE).with_suffix("").parts) for other in MODULES}
    return names & known


def test_every_module_is_in_a_room():
    assert len(MODULES) > 200
    assert {room(path) for path in MODULES} == {*ROOMS, "__init__.py"}


def test_imports_go_to_the_left_only():
    offenders = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in MODULES
        for name in own_imports(path)
        if ROOMS.index(name.split(".")[0]) > ROOMS.index(room(path))
    ]
    assert not offenders


def test_no_import_goes_in_a_circle():
    arrows = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): own_imports(path)
        for path in MODULES
    }
    done: set[str] = set()
    while free := {name for name in arrows.keys() - done if arrows[name] <= done | {name}}:
        done |= free
    assert not arrows.keys() - done


def test_hydra_is_imported_in_few_rooms_only():
    roots = {path: {name.split(".")[0] for name in imported(path)} for path in MODULES}
    users = [path for path, names in roots.items() if names & {"hydra", "omegaconf"}]
    assert users
    assert {room(path) for path in users} <= set(HYDRA)
    assert len(users) <= 4


def test_the_benchmark_is_imported_by_its_verb_alone():
    users = {
        room(path) for path in MODULES if any("bench." in name for name in own_imports(path))
    }
    assert users <= {"bench", "cli"}


def test_a_family_is_named_by_its_two_yaml_alone():
    """So a new family is one file, and a run imports no family that it does not use."""
    names = {path.stem for path in (ROOT / "conf" / "model").glob("*.yaml")}
    families = {f"families.{name}" for name in names} & {
        f"families.{path.stem}" for path in (PACKAGE / "families").glob("*.py")
    }
    assert len(families) >= 7
    assert {room(path) for path in MODULES if own_imports(path) & families} <= {"bench"}


def test_the_loop_neither_writes_nor_logs():
    unwanted = {"logging", "pathlib", "os", "tensorboard", "pyarrow", "rich"}
    for path in (PACKAGE / "loop").glob("*.py"):
        assert not {name.split(".")[0] for name in imported(path)} & unwanted, path


UNSAFE = (
    r"(import|from) (pickle|dill|joblib|marshal|shelve)\b|pickle\.(load|Unpickler)"
    r"|torch\.load|weights_only=False|allow_pickle=True|\beval\(|\bexec\("
    r"|np\.load\((?![^)]*allow_pickle=False)|yaml\.(unsafe_|full_)?load(_all)?\("
    r"|shell=True|os\.(system|popen)\("
)
"""What no module may contain: each can run code that a file or a setting brings along."""


def test_no_ambient_randomness():
    ambient = r"torch\.manual_seed|np\.random\.(seed|rand|normal)|np\.random\.default_rng\(\)"
    assert not [p for p in MODULES if re.search(f"{ambient}|import random", p.read_text())]


def test_nothing_runs_what_a_file_brings_along():
    helpers = [
        p for p in sorted((ROOT / "tests").rglob("*.py")) if not p.name.startswith("test_")
    ]
    files = [*MODULES, *(ROOT / "scripts").glob("*.py"), *helpers]
    assert not [p for p in files if re.search(UNSAFE, p.read_text(), re.MULTILINE)]


@pytest.mark.parametrize(
    "line",
    ["import pickle", "pickle.load(f)", "torch.load(f)", "np.load(f)", "yaml.load(f, L)", "eval(x)",
     "f(weights_only=False)", "np.load(f, allow_pickle=True)", "exec(x)", "os.system(x)"],
)  # fmt: skip
def test_what_is_unsafe_is_recognised(line):
    assert re.search(UNSAFE, line, re.MULTILINE)


@pytest.mark.parametrize("line", ["np.load(f, allow_pickle=False)", "yaml.safe_load(f)"])
def test_what_is_safe_is_not(line):
    assert not re.search(UNSAFE, line, re.MULTILINE)
