"""How simple the house is, in numbers: ``python scripts/house.py [FOLDER]`` prints the table.

FOLDER is a checkout, this one if none is given; ``--names`` lists what is counted as well. The
same table of an older commit comes from ``git worktree add /tmp/before COMMIT``.
"""

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

DIALECT = frozenset(
    [
        "found",
        "one",
        "fits",
        "said",
        "kept",
        "there",
        "each",
        "drawn",
        "own",
        "wanted",
        "known",
        "ends",
        "place",
        "made",
        "held",
        "whole",
        "left",
        "given",
        "asked",
        "mine",
        "chosen",
        "listed",
        "began",
        "rest",
        "ours",
        "theirs",
        "least",
        "shown",
        "tried",
        "taken",
        "told",
        "few",
        "some",
        "both",
        "when",
        "why",
        "since",
        "swept",
        "used",
        "within",
        "many",
        "about",
        "what",
        "judged",
        "meant",
        "seen",
        "gone",
        "begun",
    ]
)
"""Words of this project's first version that no other code base uses for a variable."""
PARTICIPLES = re.compile(
    r"_?(\w+ed|told|held|found|shown|drawn|kept|made|taken|given|said|known)$"
)
"""Function names that are a bare participle: a reader cannot tell a verb from a state."""
CHECKED = re.compile(r"_?(feed|seed|need|speed|shed|embed|bed|red|exceed|proceed)$")
"""Words that end alike and are none."""
HYDRA = {"hydra", "omegaconf"}


class House:
    """The modules of a checkout, read once."""

    def __init__(self, root: Path):
        self.root = root
        self.package = root / "nc_testbed"
        self.files = sorted(self.package.rglob("*.py"))
        self.texts = {file: file.read_text() for file in self.files}
        self.trees = {file: ast.parse(text) for file, text in self.texts.items()}

    def module(self, file: Path) -> str:
        """``room.module``."""
        return ".".join(file.relative_to(self.package).with_suffix("").parts)

    def nodes(self, *kinds: type) -> Iterator[tuple[Path, Any]]:
        """Every node of these kinds, with its file."""
        for file, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, kinds):
                    yield file, node

    def imports(self) -> dict[str, set[str]]:
        """``{module: modules it imports}``, of this package and of others."""
        known = {self.module(file) for file in self.files}
        arrows: dict[str, set[str]] = {name: set() for name in known}
        for file, node in self.nodes(ast.Import, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{name}" for name in names)]
            for name in names:
                arrows[self.module(file)].add(name.removeprefix("nc_testbed."))
        return arrows


def circles(arrows: dict[str, set[str]]) -> list[str]:
    """Modules that import each other."""
    left = {name: others & arrows.keys() - {name} for name, others in arrows.items()}
    while True:
        imported = set().union(*left.values()) if left else set()
        ends = [name for name, others in left.items() if not others or name not in imported]
        if not ends:
            return sorted(left)
        for name in ends:
            del left[name]
        left = {name: others - set(ends) for name, others in left.items()}


def repeated(places: dict[str, set[str]]) -> list[str]:
    """Names that stand in two places or more."""
    return sorted(name for name, files in places.items() if len(files) > 1)


def definitions(house: House, kind: tuple[type, ...], private: bool) -> dict[str, set[str]]:
    """``{name: files}`` of what stands at the top of a module."""
    places: dict[str, set[str]] = defaultdict(set)
    for file, tree in house.trees.items():
        nodes: list[Any] = tree.body
        for node in nodes:
            if isinstance(node, kind) and (private or not node.name.startswith("_")):
                places[node.name].add(house.module(file))
    return places


def dialect(house: House) -> Counter[str]:
    """How often each of :data:`DIALECT` is bound as a variable or an argument."""
    counts: Counter[str] = Counter()
    for _, node in house.nodes(ast.Name, ast.arg):
        name = node.arg if isinstance(node, ast.arg) else node.id
        bound = isinstance(node, ast.arg) or isinstance(node.ctx, ast.Store)
        if bound and name in DIALECT:
            counts[name] += 1
    return counts


def participles(house: House) -> list[str]:
    """Functions and methods that are named by a bare participle."""
    return [
        f"{house.module(file)}.{node.name}"
        for file, node in house.nodes(ast.FunctionDef)
        if PARTICIPLES.match(node.name)
        and not CHECKED.match(node.name)
        and "_" not in node.name.strip("_")
    ]


def packed(house: House) -> int:
    """Assignments of a tuple to a tuple: two statements on one line."""
    tuples = (ast.Tuple, ast.List)
    return sum(
        isinstance(node.targets[0], tuples) and isinstance(node.value, tuples)
        for _, node in house.nodes(ast.Assign)
    )


def functions(house: House) -> list[Any]:
    """Every function and method."""
    return [node for _, node in house.nodes(ast.FunctionDef)]


def lengths(house: House) -> list[int]:
    """Lines of every function's body, without its docstring and blank lines."""
    found = []
    for file, node in house.nodes(ast.FunctionDef):
        documented = ast.get_docstring(node, clean=False) is not None
        body = node.body[documented:]
        if body:
            lines = house.texts[file].splitlines()[body[0].lineno - 1 : body[-1].end_lineno]
            found.append(sum(bool(line.strip()) for line in lines))
    return found


def policy_members(house: House) -> int:
    """Members of the policy that the guide shows."""
    page = (house.root / "docs" / "guide" / "policy.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    classes = [
        n for block in blocks for n in ast.parse(block).body if isinstance(n, ast.ClassDef)
    ]
    fields = (ast.AnnAssign, ast.Assign, ast.FunctionDef)
    own = [n for n in classes[0].body if isinstance(n, fields)]
    names = [n.name if isinstance(n, ast.FunctionDef) else ast.unparse(n) for n in own]
    return sum(not name.startswith("__") and ": int =" not in name for name in names)


TRACE = """
import os, runpy, sys
seen = set()
def watch(frame, event, argument):
    code = frame.f_code
    if event == "call" and "nc_testbed" in code.co_filename and code.co_name[0] != "<":
        if code.co_name == "closed_loop":
            print("entered", *sorted(seen), flush=True)
            os._exit(0)
        seen.add(code.co_filename)
sys.setprofile(watch)
sys.argv = ["train.py", *sys.argv[1:]]
runpy.run_path("scripts/train.py", run_name="__main__")
"""


def entered(root: Path) -> list[str]:
    """Files of the package with a function or a class that is run before a loop begins."""
    with tempfile.TemporaryDirectory() as folder:
        settings = ["policy=anchor", "data=digits", "model=gmm", "metrics=[recall]"]
        words = [*settings, "generations=3", f"hydra.run.dir={folder}/run"]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        command = [sys.executable, "-c", TRACE, *words]
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True
        )
    line = next(line for line in done.stdout.splitlines() if line.startswith("entered"))
    return [file.partition("nc_testbed/")[2] for file in line.split()[1:]]


JUDGE = """
import sys
from importlib import import_module
from pathlib import Path
import numpy as np
import yaml
try:
    from nc_testbed.core.intervals import interval
except ModuleNotFoundError:  # a checkout from before the rooms
    from nc_testbed.intervals import interval
from nc_testbed.report.comparison import Arm, Comparison
from nc_testbed.report.sentences import overall
columns = {}
for file in sorted(Path("conf/metrics").glob("*.yaml")):
    node = yaml.safe_load(file.read_text()).get(file.stem)
    if isinstance(node, dict):
        module, _, name = node["_target_"].rpartition(".")
        columns |= getattr(import_module(module), name).columns
described = {name: {"worse": column.worse} for name, column in columns.items()}
for name, column in columns.items():
    values = np.array([[0.1, 0.5], [0.2, 0.6], [0.3, 0.7]])
    facts = {"event": [1], "columns": described}
    arm = Arm("a", (), {"facts": facts}, (), np.arange(2), 3, {name: values},
              {name: interval(values)}, {}, [])
    sentence = overall(arm, Comparison("d", (arm,), (name,), None, 0, 1))
    praise = {"higher": "got worse", "lower": "improved"}.get(column.worse)
    if praise is not None and not sentence.startswith(praise):
        print(name)
"""
"""Lets every declared column rise in a report, and prints those that it judges wrongly."""


def misjudged(root: Path) -> list[str]:
    """Columns of metrics that the report judges against the direction that they declare."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", JUDGE]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def table(root: Path) -> Iterator[tuple[str, float, list[str]]]:
    """Name, value and what was counted."""
    house = House(root)
    arrows = house.imports()
    lines = [line for text in house.texts.values() for line in text.splitlines()]
    count = len(functions(house))
    loose = [f.name for f in house.package.glob("*.py") if f.name != "__init__.py"]
    yield "modules that lie loose", len(loose), loose
    rooms = [f.name for f in house.package.iterdir() if (f / "__init__.py").is_file()]
    yield "rooms and loose modules", len(rooms) + len(loose), rooms
    yield "files in run/", len(list((house.package / "run").glob("*.py"))), []
    yield "modules in import circles", len(circles(arrows)), circles(arrows)
    hydra = [
        name for name, others in arrows.items() if {n.split(".")[0] for n in others} & HYDRA
    ]
    yield "modules that import Hydra", len(hydra), sorted(hydra)
    stems: dict[str, set[str]] = defaultdict(set)
    for file in house.files:
        if file.stem != "__init__":
            stems[file.stem].add(house.module(file))
    for what, places in (
        ("module names used twice", stems),
        ("class names used twice", definitions(house, (ast.ClassDef,), True)),
        ("public function names used twice", definitions(house, (ast.FunctionDef,), False)),
    ):
        yield what, len(repeated(places)), repeated(places)
    words = dialect(house)
    yield "dialect names bound", words.total(), [f"{w} {n}" for w, n in words.most_common()]
    bare = participles(house)
    yield "functions named by a bare participle", len(bare), bare
    yield "tuple assignments per 100 functions", round(100 * packed(house) / count, 1), []
    written = [line for line in lines if line.strip()]
    wide = sum(len(line) > 90 for line in written)
    yield "lines over 90 characters, %", round(100 * wide / len(written), 1), []
    size = lengths(house)
    yield "lines of a function, 90th percentile", quantiles(size, n=10)[-1], []
    yield "lines of a function, most", max(size), []
    comments = sum(line.lstrip().startswith("#") for line in lines)
    yield "comment lines per 100 lines", round(100 * comments / len(lines), 1), []
    files = entered(root)
    yield "files entered before the loop", len(files), files
    wrong = misjudged(root)
    yield "columns with a wrong direction", len(wrong), wrong
    yield "members of the guide's policy", policy_members(house), []
    yield (
        "files of more than 250 lines",
        sum(t.count("\n") > 250 for t in house.texts.values()),
        [],
    )
    yield "files", len(house.files), []
    yield "lines", len(lines), []


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--names"]
    root = Path(words[0]) if words else Path(__file__).resolve().parents[1]
    for name, value, counted in table(root):
        print(f"{name:40} {value:>8}")
        if "--names" in sys.argv and counted:
            print("   ", ", ".join(counted))
