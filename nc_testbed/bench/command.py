"""python scripts/bench.py: the rows that were asked for, as a table and as bench.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import torch

from nc_testbed.bench.families import families
from nc_testbed.bench.floor import floor
from nc_testbed.bench.gmm import gmm
from nc_testbed.bench.measure import REPEATS, processor
from nc_testbed.bench.metrics import metrics
from nc_testbed.bench.packed import packed
from nc_testbed.bench.runs import runs
from nc_testbed.bench.scaling import scaling
from nc_testbed.bench.vae import vae
from nc_testbed.config.build import build, keyed, nearest
from nc_testbed.config.compose import HOME
from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.machine import CORES
from nc_testbed.core.safe_yaml import parse_yaml
from nc_testbed.record.directory import write
from nc_testbed.record.summary import software_versions
from nc_testbed.run.checks import device

Row = Callable[[torch.device, int], list[dict[str, Any]]]
ROWS: dict[str, Row] = {
    "vae": vae,
    "gmm": gmm,
    "families": families,
    "metrics": metrics,
    "floor": floor,
    "runs": runs,
    "scaling": scaling,
    "packed": packed,
}
HELP = f"""Ratios measured side by side, in one run.

python scripts/bench.py rows=vae,floor device=cpu

  rows     all (default), or of {", ".join(ROWS)}, separated by commas
           runs: the default run and its metrics, the GMM study against scikit-learn, accumulating
           scaling: time by chains, rows and generations
           packed: runs of a sweep side by side against one after the other
  device   auto (default), cpu or cuda
  chains   of the large runs of families; 10^5, on a GPU 10^6"""


@dataclass(frozen=True)
class BenchSettings:
    """rows: ``all``, or names separated by commas. chains: of the large runs, None = by device."""

    rows: str = "all"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    chains: int | None = None

    def __post_init__(self) -> None:
        for name in self.names():
            require(name in ROWS, "rows", name, nearest(name, ["all", *ROWS]))
        ok = self.chains is None or self.chains >= 1
        require(ok, "chains", self.chains, "give at least 1 chain")

    def names(self) -> list[str]:
        """The rows that are wanted."""
        return list(ROWS) if self.rows == "all" else self.rows.split(",")


def main() -> None:
    """Measure, print the table, write bench.json; one line and exit code 2 for bad input."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(HELP)
        return
    try:
        values = {k: parse_yaml(v, k, v) for k, v in keyed(sys.argv[1:]).items()}
        settings = build(BenchSettings, values)
        chosen = device(settings.device)
    except BadInput as error:
        print(f"nc_testbed: {error}", file=sys.stderr)
        sys.exit(2)
    out = HOME / "outputs" / "bench" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    print(run(settings, chosen, out))


def run(settings: BenchSettings, device: torch.device, out: Path) -> str:
    """Measure the rows, write ``bench.json`` to ``out``, and return a markdown table."""
    chains = settings.chains or (10**6 if device.type == "cuda" else 10**5)
    lines = [line for name in settings.names() for line in ROWS[name](device, chains)]
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    facts = {"device": kind, "cores": CORES, "repeats": REPEATS, **software_versions()}
    out.mkdir(parents=True, exist_ok=True)
    write(out / "bench.json", json.dumps({"facts": facts, "rows": lines}, indent=1).encode())
    table = "| what | measured |\n| --- | --- |\n"
    table += "".join(f"| {line['what']} | {line['text']} |\n" for line in lines)
    return f"{table}\n{', '.join(f'{key} {value}' for key, value in facts.items())}\n"
