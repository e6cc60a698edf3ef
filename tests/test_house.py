"""The words of the house and its limits, counted by ``scripts/house.py``."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED_MODULES = {"accumulate", "command", "console", "ising", "replace", "tables"}
"""A law and a policy, a law and a family; what a verb does, in two rooms."""
SHARED_FUNCTIONS = {"figure", "help_page", "main", "plain"}
"""A study's figure and a verb's ``main`` are found by these names."""


def load_house():
    spec = importlib.util.spec_from_file_location("house", ROOT / "scripts" / "house.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["house"] = module
    spec.loader.exec_module(module)
    return module


house = load_house()
HOUSE = house.House(ROOT)
ROOMS = re.findall(r'"(\w+)"', (ROOT / "tests" / "test_architecture.py").read_text()
                   .partition("ROOMS = (")[2].partition(")")[0])  # fmt: skip


def names(kind, private=False):
    return set(house.repeated(house.definitions(HOUSE, kind, private)))


def test_no_class_has_the_name_of_another():
    assert not names((house.ast.ClassDef,), private=True)


def test_no_public_function_has_the_name_of_another():
    assert names((house.ast.FunctionDef,)) <= SHARED_FUNCTIONS


def test_no_module_has_the_name_of_another():
    stems = [file.stem for file in HOUSE.files if file.stem != "__init__"]
    assert {stem for stem in stems if stems.count(stem) > 1} <= SHARED_MODULES


def test_no_function_is_named_by_a_bare_participle():
    assert not house.participles(HOUSE)


def test_variables_are_named_by_words_of_the_field():
    assert house.dialect(HOUSE).total() <= 10, house.dialect(HOUSE)


def test_one_statement_stands_on_a_line():
    assert house.packed(HOUSE) <= 5


def test_functions_are_short():
    lengths = house.lengths(HOUSE)
    assert max(lengths) <= 45
    assert house.quantiles(lengths, n=10)[-1] <= 20


def test_the_picture_shows_the_rooms_in_their_order():
    picture = (ROOT / "docs" / "figures" / "rooms.svg").read_text()
    assert re.findall(r">\d+ (\w+)<", picture) == ROOMS


def test_the_glossary_is_short():
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    assert 40 <= sum(line.startswith("| ") for line in lines) - 1 <= 60


@pytest.mark.parametrize(
    ("code", "count"),
    [("found = 1", 1), ("def f(said): ...", 1), ("for one in x: ...", 1), ("x.found = 1", 0),
     ("f(found=1)", 0), ("row = 1", 0)],
)  # fmt: skip
def test_the_dialect_is_recognised(tmp_path, code, count):
    (tmp_path / "nc_testbed").mkdir()
    (tmp_path / "nc_testbed" / "x.py").write_text(code)
    assert house.dialect(house.House(tmp_path)).total() == count


@pytest.mark.parametrize(
    ("name", "is_participle"),
    [("told", True), ("_stored", True), ("joined", True), ("join", False), ("seed", False),
     ("stored_rows", False)],
)  # fmt: skip
def test_a_bare_participle_is_recognised(tmp_path, name, is_participle):
    (tmp_path / "nc_testbed").mkdir()
    (tmp_path / "nc_testbed" / "x.py").write_text(f"def {name}(): ...")
    assert bool(house.participles(house.House(tmp_path))) == is_participle
