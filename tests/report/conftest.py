"""Lets the tests import the fabricated run of the tests of run/."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "run"))
