"""A run directory as a finished run leaves it, made of invented numbers."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from safetensors.torch import save_file

from nc_testbed.metrics.column import Columns
from nc_testbed.record.controls import write_controls
from nc_testbed.record.summary import summarise

CONF = Path(__file__).parents[2] / "conf"
FALL = {"real": 0.0, "accumulate": 0.1, "anchor": 0.3, "replace": 0.6}


CONTROLS = {
    "real": {
        "tail_coverage": [0.9, 0.94, 0.98],
        "fidelity": [0.93, 0.95, 0.97],
        "nll": [109, 110, 111],
    },
    "tail_absent": {"tail_coverage": [0.0, 0.02, 0.05], "fidelity": [0.9, 0.94, 0.96]},
    "independent": {"tail_coverage": [0.0, 0.0, 0.01], "fidelity": [None, None, None]},
    "noise": {
        "tail_coverage": [0.0, 0.01, 0.02],
        "fidelity": [0.9, 0.985, 1.0],
        "nll": [8e3, 9e3, 1e4],
    },
}
"""What columns read on the controls of a run; the headline's floors are low."""


def blind() -> dict:
    """Controls of a headline that sees a tail where there is none."""
    high = CONTROLS["tail_absent"] | {"tail_coverage": [0.5, 0.5876, 0.7]}
    return CONTROLS | {"tail_absent": high}


def described() -> Columns:
    """What all metrics and models of the package declare of their columns."""
    sources = []
    for file in sorted([*(CONF / "metrics").glob("*.yaml"), *(CONF / "model").glob("*.yaml")]):
        node = yaml.safe_load(file.read_text())
        node = node.get(file.stem) if file.parent.name == "metrics" else node
        if isinstance(node, dict):  # not auto.yaml
            module, _, name = node["_target_"].rpartition(".")
            sources.append(getattr(import_module(module), name))
    return Columns.declared_by(sources)


def config(
    policy: str = "replace", /, chains: int = 3, generations: int = 4, **changes: Any
) -> dict:
    made = {
        "seed": 0,
        "chains": chains,
        "generations": generations,
        "n": 20,
        "budget": None,
        "device": "cpu",
        "data": {"_target_": "nc_testbed.data.Some", "imbalance": 50.0},
        "model": {"_target_": "nc_testbed.models.Some", "steps": 100, "widths": [400, 20]},
        "policy": {"_target_": "nc_testbed.policies.Some"},
        "metrics": {"recall": {"_target_": "nc_testbed.metrics.Some"}},
        "sampling": {"decode": "sample"},
        "dashboard": {"single_chains": False},
        "name": {"data": "digits", "model": "vae", "policy": policy},
        "hash": "0" * 64,
        "record": {"generations": "all", "chains": "rows"},
        "facts": {"event": [8, 8], "rank_to_class": [[0, 1]] * chains},
    }
    made |= changes
    made["facts"] = {"columns": described().as_record()} | made["facts"]
    return made


def metrics(settings: dict) -> pa.Table:
    rng = np.random.default_rng(settings["seed"])
    fall = FALL[settings["name"]["policy"]]
    rows = []
    for g in range(settings["generations"]):
        for chain in range(settings["chains"]):
            rows.append(
                {
                    "generation": g,
                    "chain": chain,
                    "fit_variance": 1.0,
                    "nll": 110 + g + rng.normal(),
                    "fidelity": 0.8 + 0.02 * g + 0.01 * rng.normal(),
                    "coverage_rank_0": 0.9,
                    "tail_coverage": 0.4 * np.exp(-fall * g) * np.exp(0.1 * rng.normal()),
                    "coverage": 0.6 - 0.1 * fall * g + 0.01 * rng.normal(),
                }
            )
    return pa.Table.from_pylist(rows)


def run(path: Path, settings: dict, controls: dict | None = None) -> Path:
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    table = metrics(settings)
    pq.write_table(table, path / "metrics.parquet")
    for g in range(settings["generations"]):
        folder = path / "generations" / f"{g:04d}"
        folder.mkdir(parents=True)
        rows = torch.full((settings["chains"], 20, 64), 10 * g, dtype=torch.uint8)
        save_file({"rows": rows}, folder / "synthetic.safetensors")
    if controls is not None:
        write_controls(path, controls, settings)
    told = {"wall_s": 12.3456, "device": "cpu (2 threads)", "controls": controls}
    summary = summarise(table, settings, **told)
    (path / "summary.json").write_text(json.dumps(summary, allow_nan=False))
    return path
