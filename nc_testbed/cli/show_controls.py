"""The verb ``controls``: what every metric says of rows whose quality is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_testbed.cli.door import verb
from nc_testbed.cli.ruler_words import SHARED, compose_words, split_words
from nc_testbed.config.output_dir import output_of
from nc_testbed.core.cache import caching

if TYPE_CHECKING:
    from nc_testbed.run.control_values import Summary
    from nc_testbed.run.ruler import Gauge

HELP = """What every metric says of rows whose quality is known: real rows, the law without its rare
classes, independent pixels or columns, noise, copies, few or contracted rows, mixtures with junk.

nc-testbed controls data=mnist_lt
nc-testbed controls data=wine metrics=[matched_coverage,fidelity] chains=3

  data             the real rows, as of train; data=arrays data.path=mine.npz for your own
  metrics          what is measured; default: all that apply
  chains           how many; default: as of train
  evaluation.rows  rows of every control; default: as of train, or as many as are unseen
  out              the folder written to; default: a new one in outputs/controls
seed, device, compute and extensions are as of train. The table has the means over chains of the
columns that are read first; controls.json has all: {control: {column: [low, mean, high]}}."""


@verb(HELP)
def main(words: Sequence[str]) -> None:
    """Measure every control, a line for each; print where the file lies."""
    texts, passed = split_words(words, ("out",), (*SHARED, "chains"))
    folder = output_of("controls", texts.get("out"))
    with caching():
        config = compose_words(passed)

        from nc_testbed.run.ruler import prepare_ruler  # torch: not for a word that is wrong

        ruler = prepare_ruler(config)
        summary = _measure(ruler)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "controls.json"
    write_json(path, summary)
    print(f"controls: {path}")


def _measure(ruler: Gauge) -> Summary:
    """Every control, printed as it is measured."""
    from nc_testbed.metrics.column import Columns
    from nc_testbed.record.floors import floor_refusal, refused_classes
    from nc_testbed.run.control_table import control_line, header_line, table_columns
    from nc_testbed.run.control_values import ControlRuler, ControlValues, few_rows

    columns = Columns.declared_by(ruler.metrics.values())
    controls = ControlRuler.of(ruler.reference(print), ruler.metrics, print, ruler.grey)
    rows = controls.controls.size
    if rows < ruler.rows:
        print(few_rows(rows, ruler.rows))
    summary: Summary = {}
    names: list[str] = []
    for name in controls.names:
        measured = ControlValues({name: controls.measure(name)}, rows).summary(columns)
        if not summary:
            names = table_columns(columns, [c for c in measured[name] if c != "rows"])
            print(header_line(names))
        summary |= measured
        print(control_line(name, names, measured[name]), flush=True)
    R = len(ruler.data.training)
    print(f"means over {R} chain{'s' * (R != 1)}, {rows} rows each")
    headline = columns.headline(names)
    if headline is not None:
        refusals = (floor_refusal(summary, headline), refused_classes(summary, headline))
        print("\n".join(line for line in refusals if line), end="\n" if any(refusals) else "")
    return summary


def write_json(path: Path, summary: Any) -> None:
    """The file, there as a whole or not at all."""
    from nc_testbed.record.directory import write

    write(path, json.dumps(summary, indent=1, allow_nan=False).encode())
