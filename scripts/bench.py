"""Measure and write outputs/bench/<time>/bench.json: python scripts/bench.py --rows families."""

import argparse
import sys
from datetime import datetime
from pathlib import Path

import torch

from nc_testbed.bench import ROWS, run
from nc_testbed.run.checks import device
from nc_testbed.types import BadInput

HOME = Path(__file__).resolve().parents[1] / "outputs" / "bench"

parser = argparse.ArgumentParser(description="Ratios measured side by side, in one run.")
parser.add_argument("--rows", nargs="+", default=list(ROWS), help=f"of {', '.join(ROWS)}")
parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
parser.add_argument("--chains", type=int, help="of the large runs; 10^5, on a GPU 10^6")
arguments = parser.parse_args()
try:
    chosen: torch.device = device(arguments.device)
    chains = arguments.chains or (10**6 if chosen.type == "cuda" else 10**5)
    out = HOME / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    print(run(arguments.rows, chosen, chains, out))
except BadInput as complaint:
    print(complaint, file=sys.stderr)
    sys.exit(2)
