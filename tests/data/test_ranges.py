import math

import pytest

from nc_testbed.core.errors import BadInput
from nc_testbed.data.ranges import check_at_least, check_path, check_range


@pytest.mark.parametrize("value", [0, -1])
def test_a_whole_number_below_its_least_is_refused(value):
    with pytest.raises(BadInput, match="whole number of at least 1"):
        check_at_least("rows", value, 1)


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, math.nan, math.inf])
def test_a_number_is_refused_outside_its_range(value):
    with pytest.raises(BadInput, match="at least 0 and below 1"):
        check_range("reserve", value, 0, 1)


def test_good_values_pass():
    check_at_least("rows", 1, 1)
    check_at_least("rows", None, 1)
    check_range("reserve", 0, 0, 1)
    check_range("imbalance_ratio", 100, 1)
    check_range("imbalance_ratio", None, 1)
    check_path("path", "a.npy", "give one")


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_infinity_is_no_number_even_without_an_upper_limit(value):
    with pytest.raises(BadInput):
        check_range("imbalance_ratio", value, 1)


@pytest.mark.parametrize("value", [None, "", "a\0b"])
def test_a_path_is_text(value):
    with pytest.raises(BadInput):
        check_path("path", value, "give one")
