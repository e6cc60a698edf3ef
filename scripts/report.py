"""Compare finished runs: python scripts/report.py outputs/my_sweep --out report."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from nc_testbed.compose import HOME
from nc_testbed.places import output
from nc_testbed.report.compare import compare
from nc_testbed.types import BadInput

parser = argparse.ArgumentParser(description="Compare finished runs: figure, table, samples.")
parser.add_argument("paths", nargs="+", type=Path, help="run or sweep directories")
parser.add_argument("--out", type=Path, required=True, help="where the report is written")
parser.add_argument("--columns", nargs="+", default=(), help="metrics to show")


def refuse(message: str) -> NoReturn:
    raise BadInput("arguments", " ".join(sys.argv[1:]), f"{message}; --help shows them")


parser.error = refuse  # argparse would print two lines
try:
    arguments = parser.parse_args()
    out = output("--out", arguments.out, HOME / "outputs")
    print(compare(arguments.paths, out, arguments.columns))
except BadInput as complaint:
    print(complaint, file=sys.stderr)
    sys.exit(2)
