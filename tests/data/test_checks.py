import math

import pytest

from nc_testbed.core.errors import BadInput
from nc_testbed.data.checks import check_choice, check_number, check_path, check_whole


@pytest.mark.parametrize("value", [0, -1, None])
def test_a_whole_number_is_refused_outside_its_range(value):
    with pytest.raises(BadInput, match="whole number of at least 1"):
        check_whole("rows", value, 1)


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, math.nan, math.inf])
def test_a_number_is_refused_outside_its_range(value):
    with pytest.raises(BadInput, match="at least 0 and below 1"):
        check_number("reserve", value, 0, 1)


def test_good_values_pass():
    check_whole("rows", 1, 1)
    check_whole("rows", None, 1, optional=True)
    check_number("reserve", 0, 0, 1)
    check_number("imbalance", 100, 1)
    check_choice("layout", "ring", ("ring", "grid"))
    check_path("path", "a.npy", "give one")


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_infinity_is_no_number_even_without_an_upper_limit(value):
    with pytest.raises(BadInput):
        check_number("imbalance", value, 1)


@pytest.mark.parametrize("value", [None, "", 3, "a\0b"])
def test_a_path_is_text(value):
    with pytest.raises(BadInput):
        check_path("path", value, "give one")


@pytest.mark.parametrize("value", ["circle", None, ["ring"]])
def test_a_choice_is_one_of_the_words(value):
    with pytest.raises(BadInput, match="ring, grid"):
        check_choice("layout", value, ("ring", "grid"))
