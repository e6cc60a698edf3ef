"""The linearised generation against its own recursion."""

import pytest

from nc_testbed.theory import master


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_linearised_generation(share):
    mean = variance = 0.0
    for t in range(1, 60):
        assert master.offset(t, share, 0.3) == pytest.approx(mean)
        assert master.chain_spread(t, share, 0.2) == pytest.approx(variance)
        mean = (1 - share) * (mean + 0.3)
        variance = (1 - share) ** 2 * variance + 0.2


def test_rows_needed_hold_the_offset():
    n, tolerance = 5000, 0.25
    k = master.rows_needed(-0.01, n, tolerance)
    assert master.offset(10**6, k / n, -0.01) == pytest.approx(-tolerance)
    assert master.rows_needed(0.01, 10**6, tolerance) == pytest.approx(
        0.01 * 10**6 / 0.25, rel=0.05
    )
