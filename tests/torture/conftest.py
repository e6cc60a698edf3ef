"""Lets the tests import the server of forked runs beside them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
