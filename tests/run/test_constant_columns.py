"""A column that never varies is said once, before the first generation."""

import numpy as np
import pytest

from nc_testbed.data.arrays import Arrays
from nc_testbed.run.prepare import say_constant


@pytest.mark.parametrize(("flat", "said"), [(0, []), (1, ["1 column never varies (2, "])])
def test_a_column_that_never_varies_is_said_once(flat, said, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3))
    x[:, 3 - flat :] = 7.7
    np.savez(tmp_path / "table.npz", x=x)
    lines: list[str] = []
    say_constant(Arrays(path=str(tmp_path / "table.npz")).load(1, 0, 0, 1), lines.append)
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True))
