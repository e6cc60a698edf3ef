"""Write the tables of docs/guide/metrics.md from what the metrics declare."""

import inspect
import re
from importlib import import_module
from math import inf
from pathlib import Path
from typing import Any

import yaml

from nc_testbed.metrics.column import Column
from nc_testbed.metrics.evaluation import COLLAPSES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guide" / "metrics.md"
START, END = "<!-- made by python scripts/metrics_page.py -->", "<!-- end of what is made -->"
START_FITS = "<!-- made of what models declare -->"
HEAD = "| column | definition | range | worse | group |\n|---|---|---|---|---|"


def metrics() -> dict[str, Any]:
    """The class of every metric in conf/metrics, by name."""
    classes = {}
    for file in sorted((ROOT / "conf" / "metrics").glob("*.yaml")):
        node = yaml.safe_load(file.read_text()).get(file.stem)
        if isinstance(node, dict):  # not auto.yaml
            classes[file.stem] = class_of(node)
    return classes


def models() -> dict[str, Any]:
    """The class of every model in conf/model that declares columns, by name."""
    files = sorted((ROOT / "conf" / "model").glob("*.yaml"))
    classes = {file.stem: class_of(yaml.safe_load(file.read_text())) for file in files}
    return {name: cls for name, cls in classes.items() if hasattr(cls, "columns")}


def class_of(node: dict[str, Any]) -> Any:
    """The class that a node of the configuration names."""
    module, _, name = node["_target_"].rpartition(".")
    return getattr(import_module(module), name)


def extent(column: Column) -> str:
    """A range in words, with its unit."""
    if (column.low, column.high) == (-inf, inf):
        words = "any"
    else:
        words = (
            f"{column.low:g} to {column.high}" if column.high != inf else f">= {column.low:g}"
        )
    return f"{words}, {column.unit}" if column.unit else words


def place(column: Column) -> str:
    """Where a column is shown: its group, and its rank where it is read first.

    >>> place(Column(worse="lower", group="1 tail", headline=1))
    '1 tail, headline 1'
    """
    ranks = {kind: getattr(column, kind) for kind in ("headline", "fidelity", "overall")}
    words = [f"{kind} {rank}" for kind, rank in ranks.items() if rank is not None]
    return ", ".join([column.group, *words])


def row(name: str, column: Column) -> str:
    """A line of the table of a metric."""
    cells = (f"`{name}`", column.says, extent(column), column.worse, place(column))
    return " | ".join(("", *(cell.replace("|", r"\|") for cell in cells), "")).strip()


def section(name: str, cls: Any) -> str:
    """A metric: what it is, needs and measures, and its columns."""
    text = re.sub(r":\w+:`", "`", inspect.getdoc(cls) or "").replace("``", "`")
    needs = ", ".join(sorted(cls.requires)) or "nothing"
    facts = f"Definition of collapse: **{cls.collapse}**. Needs: {needs}."
    rows = [row(name, column) for name, column in cls.columns.items()]
    return "\n".join([f"### {name}\n\n{text}\n\n{facts}\n", HEAD, *rows])


def tables() -> str:
    """All that is made."""
    chosen = metrics()
    lines = ["| definition of collapse | in our words | measured by |", "|---|---|---|"]
    for word, says in COLLAPSES.items():
        names = [f"[{name}](#{name})" for name, cls in chosen.items() if cls.collapse == word]
        lines.append(
            f"| {word} | {says} | {', '.join(names) or 'no one run: sweep over `n=`'} |"
        )
    sections = [section(name, cls) for name, cls in chosen.items()]
    return "\n\n".join(["\n".join(lines), *sections])


def fits() -> str:
    """The table of what models say of their fits."""
    columns = {
        name: column for cls in models().values() for name, column in cls.columns.items()
    }
    return "\n".join([HEAD, *(row(name, column) for name, column in columns.items())])


def renewed(page: str) -> str:
    """The page with the tables made anew."""
    for start, table in ((START, tables()), (START_FITS, fits())):
        before, _, after = page.partition(start)
        page = f"{before}{start}\n\n{table}\n\n{END}{after.partition(END)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
