"""A table of the user's own, and a verb on the command line."""

import sys
from pathlib import Path

import numpy as np

from nc_testbed.cli import door


def write_table(path: Path, seed: int = 0, rows: int = 200, shift: float = 1e4) -> Path:
    """Three classes of five dependent columns in odd units, ``rows`` of each."""
    rng = np.random.default_rng(seed)
    y = np.repeat([3, 5, 9], rows)
    common = rng.normal(size=(len(y), 1))
    x = common + 0.3 * rng.normal(size=(len(y), 5))
    x[:, 0] += 6 * (y == 5)
    x[:, 1] += 6 * (y == 9)
    np.savez(path, x=shift + 50 * x, y=y)
    return path


def open_verb(capsys, *words) -> tuple[int, str, str]:
    """The status of ``nc-testbed``, what it prints, and what it complains of."""
    before = sys.argv
    sys.argv = ["nc-testbed", *map(str, words)]
    status = 0
    try:
        door.open_door()
    except SystemExit as left:
        status = left.code
    finally:
        sys.argv = before
    return status, *capsys.readouterr()
