"""Lets the tests import the fabricated run of the tests of run/, and arms of given numbers."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / "run"), str(HERE)]
