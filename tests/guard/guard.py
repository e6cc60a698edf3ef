"""Six small configurations that together touch every model, policy and metric, and their values.

``python tests/guard/guard.py write FILE`` runs them and keeps what they gave; ``check FILE`` runs
them and prints what differs. The last bits of a product depend on the processor and on torch's
version: where these are those of the file, values must be equal bit by bit, else nearly so.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from safetensors.torch import load

ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(__file__).with_name("values.json")
SMALL = ["chains=3", "generations=3"]
NET = ["data=digits", "data.imbalance_ratio=4", "model.steps=12", "evaluation.rows=120"]
POLICIES = "replace,real,accumulate,anchor,augment,collect,reparation,verified,weighted"
CONFIGURATIONS: dict[str, list[list[str]]] = {
    "policies": [
        [*SMALL, *NET, "model=vae", f"policy={POLICIES}", "hydra/launcher=packed", "-m"],
    ],
    "convolutions": [
        [*SMALL, *NET, "model=conv_vae", "model.channels=[4,8]", "policy=verified"],
        [*SMALL, *NET, "model=vae", "policy=anchor", "policy.source=fresh", "policy.k=3",
         "stream=true", "sampling.decode=mean", "metrics=[likelihood,recall]",
         "metrics.likelihood.iwae=4"],
    ],
    "mixtures": [
        [*SMALL, "data=mixture2d", "data.rows=200", "data.test_rows=200", "model=gmm",
         "policy=weighted", "policy.by=ratio"],
        [*SMALL, "data=moons", "data.rows=100", "data.test_rows=200", "model=kde",
         "policy=accumulate", "budget=80"],
    ],
    "rows_of_families": [
        [*SMALL, "data=gaussian", "model=gmm", "model.components=2", "n=60", "policy=anchor"],
        [*SMALL, "data=ising", "model=ising", "n=40", "policy=replace", "sampling.draw=rows"],
        [*SMALL, "data=linear", "model=linear", "n=40", "policy=replace", "sampling.draw=rows"],
    ],
    "statistics": [
        ["chains=1100", "generations=4", "n=30", f"data={name}", f"model={name}",
         "policy=replace,anchor,accumulate,augment,collect", "-m"]
        for name in ("bernoulli", "categorical", "exponential", "gaussian", "poisson", "ising")
    ],
    "resumed": [
        ["chains=2", "generations=2", *NET, "model=vae", "policy=accumulate"],
        ["resume", "generations=4"],
    ],
}  # fmt: skip
"""Commands of each configuration; ``resume`` goes on with the run before it."""


def machine() -> str:
    """What the last bits depend on."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.is_file() else []
    name = next((line for line in lines if line.startswith("model name")), "unknown")
    return f"{name.partition(':')[2].strip()}; torch {torch.__version__}"


def execute(folder: Path) -> None:
    """Run every configuration below a folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    for name, commands in CONFIGURATIONS.items():
        for i, words in enumerate(commands):
            place = folder / name / str(i)
            given = words
            if words[0] == "resume":
                given = [f"resume={folder / name / str(i - 1)}", *words[1:]]
            elif "-m" in words:
                given = [
                    f"hydra.sweep.dir={place}",
                    "hydra.sweep.subdir=${hydra.job.num}",
                    *words,
                ]
            else:
                given = [*words, f"hydra.run.dir={place}"]
            command = [sys.executable, "scripts/train.py", *given]
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
            if done.returncode:
                raise SystemExit(f"{' '.join(given)}\n{done.stderr.decode()}")


def values(folder: Path) -> dict[str, dict[str, Any]]:
    """``{run: {what: [hash, mean]}}`` of every run below a folder, of a summary its length."""
    runs = sorted(path.parent for path in folder.rglob("summary.json"))
    return {str(run.relative_to(folder)): dict(_of_run(run)) for run in runs}


def _of_run(run: Path) -> Iterator[tuple[str, Any]]:
    table = pq.read_table(run / "metrics.parquet")
    for name in table.column_names:
        yield f"metrics/{name}", _digest(table[name].to_pylist())
    summary = json.loads((run / "summary.json").read_text())
    for key in ("metrics", "headline", "status", "alarms", "laws"):
        leaves = sorted(json.dumps(value) for value in _leaves(summary[key]))
        yield f"summary/{key}", [_hash("".join(leaves).encode()), len(leaves)]
    for file in sorted(run.glob("generations/*/synthetic.safetensors")):
        for name, tensor in load(file.read_bytes()).items():
            data = tensor.contiguous().numpy().tobytes()
            mean = float(f"{tensor.double().mean():.6g}")
            yield f"{file.parent.name}/{name}", [_hash(data), mean]


def _leaves(node: Any) -> Iterator[Any]:
    """Every number, text and list of a summary, but for the names and sources of laws."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key not in ("law", "source"):
                yield from _leaves(value)
    elif isinstance(node, list) and any(isinstance(x, Mapping) for x in node):
        for entry in node:
            yield from _leaves(entry)
    else:
        yield node


def _digest(column: list[Any]) -> list[Any]:
    numbers = [float(x) for x in column if isinstance(x, int | float) and math.isfinite(x)]
    mean = float(f"{sum(numbers) / len(numbers):.6g}") if numbers else None
    return [_hash(json.dumps(column).encode()), mean]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def differences(before: Mapping[str, Any], now: Mapping[str, Any], exact: bool) -> list[str]:
    """A line for everything that is not as it was."""
    lines = [
        f"{run}: only {'before' if run in before else 'now'}" for run in before.keys() ^ now
    ]
    for run in sorted(before.keys() & now):
        old = before[run]
        new = now[run]
        lines += [f"{run}: {what}: only in one" for what in sorted(old.keys() ^ new)]
        for what in sorted(old.keys() & new):
            if not _alike(old[what], new[what], exact):
                lines.append(f"{run}: {what}: {old[what]} -> {new[what]}")
    return lines


def _alike(old: list[Any], new: list[Any], exact: bool) -> bool:
    if exact or old[1] is None or new[1] is None:
        return old == new
    return math.isclose(old[1], new[1], rel_tol=0.2, abs_tol=0.2)


def measured() -> dict[str, Any]:
    """What the configurations give here and now."""
    with tempfile.TemporaryDirectory() as folder:
        execute(Path(folder))
        return {"machine": machine(), "runs": values(Path(folder))}


if __name__ == "__main__":
    file = Path(sys.argv[2]) if len(sys.argv) > 2 else KEPT
    found = measured()
    if sys.argv[1] == "write":
        file.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")
    else:
        kept = json.loads(file.read_text())
        exact = kept["machine"] == found["machine"]
        lines = differences(kept["runs"], found["runs"], exact)
        print(*lines[:40], f"{len(lines)} differences in {len(found['runs'])} runs", sep="\n")
        sys.exit(bool(lines))
