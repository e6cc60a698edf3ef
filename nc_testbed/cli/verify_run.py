"""The verb ``verify``: check a run, and say where its rows came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_testbed.cli.door import verb
from nc_testbed.config.command_line import read_command
from nc_testbed.config.output_dir import output
from nc_testbed.core.errors import require

HELP = """Check a run's files, and print where its training rows came from.

nc-testbed verify outputs/my_run
nc-testbed verify outputs/my_run rows=true out=origin.npz

  FOLDER   a run
  rows     true: compose every training set anew and name the real rows in it; default false
  out      a file that ends in .npz or .safetensors: the origin of every training row

Ends with 0 where all verifies, 1 where something does not, 2 where there is no run."""


@dataclass(frozen=True)
class VerifySettings:
    """The words of the verb: see HELP."""

    folders: tuple[str, ...]
    rows: bool = False
    out: str | None = None


@verb(HELP)
def main(words: Sequence[str]) -> int:
    """Print the verdict on a run and its lineage; the status of the process."""
    settings = read_command(VerifySettings, words)
    one_run = len(settings.folders) == 1
    require(one_run, "folder", " ".join(settings.folders), "name one run")
    run = Path(settings.folders[0])
    out = None if settings.out is None else _check_file(Path(settings.out))

    from nc_testbed.record.verify import verify  # torch: not for a word that is wrong

    verdict = verify(run)
    is_rowless = verdict.config is not None and verdict.config["facts"]["draw"] == "statistics"
    for key, value in (("rows", settings.rows), ("out", settings.out)):
        remedy = "this run was drawn as statistics, without rows"
        require(not (is_rowless and value), key, value, remedy)
    for line in verdict.faults + verdict.notes:
        print(line)
    faults = len(verdict.faults)
    if verdict.config is not None:
        faults += _print_lineage(run, verdict.config, verdict.manifests, settings.rows, out)
    print(f"{run}: " + (f"{faults} faults" if faults else "all verifies"))
    return 1 if faults else 0


def _check_file(file: Path) -> Path:
    """The file to be written."""
    is_table = file.suffix in (".npz", ".safetensors")
    require(is_table, "out", file, "name a file that ends in .npz or .safetensors")
    return output("out", file.parent) / file.name


def _print_lineage(
    run: Path,
    config: Mapping[str, Any],
    manifests: Mapping[int, Any],
    rows: bool,
    out: Path | None,
) -> int:
    """Print the lineage of every generation that
    verifies; how many are not as recorded."""
    lineages = {g: entry["lineage"] for g, entry in manifests.items() if "lineage" in entry}
    if config["facts"]["draw"] == "statistics":
        from nc_testbed.run.provenance import count_rows

        print("drawn as statistics: numbers of rows by the policy's rule, no rows")
        lineages = count_rows(_prepare(config), sorted(manifests))
    for g, lineage in sorted(lineages.items()):
        print(f"generation {g}: {_shares(lineage)}")
    return _compose_again(run, config, lineages, rows, out) if out or rows else 0


def _compose_again(
    run: Path,
    config: Mapping[str, Any],
    lineages: Mapping[int, Any],
    rows: bool,
    out: Path | None,
) -> int:
    """Compose every training set anew; how many are not as their manifests say."""
    from nc_testbed.run.provenance import export, recompose

    T = next(
        (g for g in range(config["generations"]) if g not in lineages), config["generations"]
    )
    sets = list(recompose(_prepare(config), config, run, T))
    wrong = [entry.generation for entry in sets if entry.lineage != lineages[entry.generation]]
    for g in wrong:
        print(f"generation {g}: composed anew, its rows are not those of its manifest")
    for entry in sets if rows else ():
        for chain, (origin, row) in enumerate(zip(entry.origin, entry.row, strict=True)):
            real = " ".join(map(str, row[origin == 0].unique().tolist()))
            print(f"generation {entry.generation}, chain {chain}, real rows: {real or 'none'}")
    if out is not None:
        export(sets, out)
        print(f"origin of every training row: {out}")
    return len(wrong)


def _shares(lineage: Mapping[str, Any]) -> str:
    """Shares of the training rows by origin.

    >>> _shares({"rows": {"0": 25, "3": 75}, "real": 20})
    '0.25 real (20 different rows), 0.75 from generation 2'
    """
    total = sum(lineage["rows"].values())
    parts = []
    for origin, n in lineage["rows"].items():
        weight = lineage.get("weight", {}).get(origin)
        share = f"{n / total:.4g}" + (f" (weight {weight:.4g})" if weight is not None else "")
        real = f" ({lineage['real']} different rows)" if "real" in lineage else ""
        source = f"real{real}" if origin == "0" else f"from generation {int(origin) - 1}"
        parts.append(f"{share} {source}")
    return ", ".join(parts)


def _prepare(config: Mapping[str, Any]) -> Any:
    """The run of these settings."""
    from nc_testbed.run.prepare import prepare

    return prepare({key: v for key, v in config.items() if key not in ("facts", "hash")})
