"""Check a run and print where its rows came from: ``python scripts/verify.py <run dir>``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nc_testbed.config.build import keyed, nearest
from nc_testbed.core.errors import BadInput, require

USAGE = "usage: python scripts/verify.py <run dir> [rows=true] [origin=out.npz|out.safetensors]"


def main() -> None:
    """Exit with 0 where all verifies, 1 where something does not, 2 where there is no run."""
    if "--help" in sys.argv[1:] or "-h" in sys.argv[1:]:
        print(USAGE)
        return
    try:
        sys.exit(_verified(sys.argv[1:]))
    except BadInput as error:
        print(f"nc_testbed: {error}", file=sys.stderr)
        sys.exit(2)


def _verified(words: Sequence[str]) -> int:
    """Print the verdict on a run and its lineage; the exit code."""
    require(bool(words), "run", "", USAGE)
    run, asked = Path(words[0]), keyed(words[1:])
    for key, value in asked.items():
        require(key in ("rows", "origin"), key, value, nearest(key, ("rows", "origin")))
    require(asked.get("rows", "true") in ("true", "false"), "rows", asked.get("rows"), "give true")
    out = asked.get("origin")
    fits = out is None or Path(out).suffix in (".npz", ".safetensors")
    require(fits, "origin", out, "name a file that ends in .npz or .safetensors")

    from nc_testbed.record.verify import verify  # torch: not for a word that is wrong

    verdict = verify(run)
    rowless = verdict.config is not None and verdict.config["facts"]["draw"] == "statistics"
    for key in asked if rowless else ():
        require(False, key, asked[key], "this run was drawn as statistics, without rows")
    for line in verdict.faults + verdict.notes:
        print(line)
    faults = len(verdict.faults)
    if verdict.config is not None:
        wanted = asked.get("rows") == "true", None if out is None else Path(out)
        faults += _lineage(run, verdict.config, verdict.manifests, *wanted)
    print(f"{run}: " + (f"{faults} faults" if faults else "all verifies"))
    return 1 if faults else 0


def _lineage(
    run: Path, config: Mapping[str, Any], manifests: Mapping[int, Any], rows: bool, out: Path | None
) -> int:
    """Print the lineage of every generation that verifies; how many are not as recorded."""
    lineages = {g: said["lineage"] for g, said in manifests.items() if "lineage" in said}
    if config["facts"]["draw"] == "statistics":
        from nc_testbed.run.provenance import count_rows

        print("drawn as statistics: numbers of rows by the policy's rule, no rows")
        lineages = count_rows(_prepared(run, config), sorted(manifests))
    for g, lineage in sorted(lineages.items()):
        print(f"generation {g}: {_line(lineage)}")
    return _recomposed(run, config, lineages, rows, out) if out or rows else 0


def _recomposed(
    run: Path, config: Mapping[str, Any], lineages: Mapping[int, Any], rows: bool, out: Path | None
) -> int:
    """Compose every training set anew; how many are not as their manifests say."""
    from nc_testbed.run.provenance import export, recompose

    T = next((g for g in range(config["generations"]) if g not in lineages), config["generations"])
    made = list(recompose(_prepared(run, config), config, run, T))
    wrong = [one.generation for one in made if one.lineage != lineages[one.generation]]
    for g in wrong:
        print(f"generation {g}: composed anew, its rows are not those of its manifest")
    for one in made if rows else ():
        for chain, (origin, row) in enumerate(zip(one.origin, one.row, strict=True)):
            real = " ".join(map(str, row[origin == 0].unique().tolist()))
            print(f"generation {one.generation}, chain {chain}, real rows: {real or 'none'}")
    if out is not None:
        export(made, out)
        print(f"origin of every training row: {out}")
    return len(wrong)


def _line(lineage: Mapping[str, Any]) -> str:
    """Shares of the training rows by origin.

    >>> _line({"rows": {"0": 25, "3": 75}, "real": 20})
    '0.25 real (20 different rows), 0.75 from generation 2'
    """
    total, parts = sum(lineage["rows"].values()), []
    for origin, n in lineage["rows"].items():
        weight = lineage.get("weight", {}).get(origin)
        share = f"{n / total:.4g}" + (f" (weight {weight:.4g})" if weight is not None else "")
        real = f" ({lineage['real']} different rows)" if "real" in lineage else ""
        parts.append(
            f"{share} " + (f"real{real}" if origin == "0" else f"from generation {int(origin) - 1}")
        )
    return ", ".join(parts)


def _prepared(run: Path, config: Mapping[str, Any]) -> Any:
    from nc_testbed.run.prepare import prepare

    if config["extensions"] and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    return prepare({k: v for k, v in config.items() if k not in ("facts", "hash")})
