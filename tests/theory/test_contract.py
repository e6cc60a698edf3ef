"""What every law owes its reader: a formula, its arguments, conditions, source and an example."""

import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

import nc_testbed.theory

MODULES = sorted(
    path.stem
    for path in Path(nc_testbed.theory.__file__).parent.glob("*.py")
    if path.stem[0] != "_"
)
FUNCTIONS = {
    f"{module}.{name}": function
    for module in MODULES
    for name, function in vars(importlib.import_module(f"nc_testbed.theory.{module}")).items()
    if inspect.isfunction(inspect.unwrap(function)) and name[0] != "_"
    if function.__module__ == f"nc_testbed.theory.{module}"
}
OF_TIME = [
    name for name, f in FUNCTIONS.items() if next(iter(inspect.signature(f).parameters)) == "t"
]


def test_the_laws_were_found():
    assert len(FUNCTIONS) > 80 and len(OF_TIME) > 30


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_law_says_what_it_is(name):
    text = FUNCTIONS[name].__doc__
    assert "\n\n    " in text  # one sentence, then the rest
    for part in ("rguments", "onditions", ">>> "):
        assert part in text, part
    if not name.startswith("rules."):
        assert "ource" in text


@pytest.mark.parametrize("name", OF_TIME)
def test_closed_forms_take_one_time_or_many(name):
    """The value at an integer is the entry of the value at an array, as float64."""
    function = FUNCTIONS[name]
    given = {
        "n": 20,
        "d": 2,
        "ddof": 0,
        "first": 0.5,
        "policy": "accumulate",
        "shares": [0.1, 0.2],
    }
    given |= {"eigenvalues": [1.0, 2.0], "anchor": 1, "rows": 30, "features": 3, "share": 0.1}
    parameters = list(inspect.signature(function).parameters.values())[1:]
    rest = [given.get(p.name, 0.25) for p in parameters if p.default is p.empty]
    many = np.asarray(function(np.array([1, 7]), *rest))
    for i, t in enumerate((1, 7)):
        one = function(t, *rest)
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, many[i], rtol=1e-12)
