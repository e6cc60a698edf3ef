"""The benchmark: the chosen rows as a table, and as bench.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from nc_testbed.bench.family_chains import time_families
from nc_testbed.bench.floor import compare_with_floor
from nc_testbed.bench.gmm_fit import time_gmm
from nc_testbed.bench.metric_times import time_metrics
from nc_testbed.bench.packed_sweep import time_packed
from nc_testbed.bench.scaling import time_scaling
from nc_testbed.bench.timing import REPEATS, processor
from nc_testbed.bench.vae_epoch import time_vae
from nc_testbed.bench.whole_runs import time_runs
from nc_testbed.config.build import nearest
from nc_testbed.core.errors import require
from nc_testbed.core.machine import CORES
from nc_testbed.record.directory import write
from nc_testbed.record.summary import software_versions

Row = Callable[[torch.device, int], list[dict[str, Any]]]
ROWS: dict[str, Row] = {
    "vae": time_vae,
    "gmm": time_gmm,
    "families": time_families,
    "metrics": time_metrics,
    "floor": compare_with_floor,
    "runs": time_runs,
    "scaling": time_scaling,
    "packed": time_packed,
}


@dataclass(frozen=True)
class BenchSettings:
    """rows: ``all``, or names separated by commas. chains: of the large runs, None = by
    device.

    out: the directory written to, None = a new one.
    """

    rows: str = "all"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    chains: int | None = None
    out: str | None = None

    def __post_init__(self) -> None:
        for name in self.names():
            require(name in ROWS, "rows", name, nearest(name, ["all", *ROWS]))
        ok = self.chains is None or self.chains >= 1
        require(ok, "chains", self.chains, "give at least 1 chain")

    def names(self) -> list[str]:
        """The names of the rows."""
        return list(ROWS) if self.rows == "all" else self.rows.split(",")


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
