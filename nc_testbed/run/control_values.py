"""What every metric says of control rows: measured once, kept for every run that asks
again."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nc_testbed.core.exactness import one_thread
from nc_testbed.core.intervals import interval
from nc_testbed.core.machine import within_memory
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.data.source import Data
from nc_testbed.metrics import control_rows
from nc_testbed.metrics.column import Columns
from nc_testbed.metrics.control_rows import ControlSet, Sample
from nc_testbed.metrics.evaluation import Evaluation, Metric, Reference, needs_fit
from nc_testbed.metrics.referee_store import cache

FEWEST = 20
"""The fewest rows that controls are measured on."""
Values = dict[str, dict[str, NDArray[np.float64]]]
"""``{control: {column: [R]}}``."""
Summary = dict[str, dict[str, list[float | None]]]
"""``{control: {column: [low, mean, high]}}`` over chains, None where undefined."""


@dataclass(frozen=True)
class ControlValues:
    """Every column of some controls, ``{control: {column: [R]}}``, and the rows m each
    was measured on."""

    values: Values
    rows: int

    def summary(self, columns: Columns) -> Summary:
        """``{control: {column: [low, mean, high]}}``: means over chains with 95%
        intervals, and the column ``rows``."""
        rows = float(self.rows)
        return {
            control: {name: summarise_values(x, name, columns) for name, x in by_name.items()}
            | {"rows": [rows, rows, rows]}
            for control, by_name in self.values.items()
        }


def summarise_values(
    values: NDArray[np.float64], name: str, columns: Columns
) -> list[float | None]:
    """``[low, mean, high]`` of a column's values ``[R]``, None where undefined."""
    ci = interval(values)
    bounds = (float(x) for x in (ci.low, ci.mean, ci.high))
    return [x if math.isfinite(x) else None for x in bounds]


def measure_rows(
    sample: Sample,
    reference: Reference,
    metrics: Mapping[str, Metric],
    say: Callable[[str], None],
    training: TrainingSet | None = None,
) -> dict[str, Tensor]:
    """Every metric that asks no fit, ``{column: [R]}`` float64, of rows ``[R, M, D]`` and
    what each was made as.

    training: what the rows' own model was trained on, None = the real rows of generation
    0.
    """
    streams = reference.streams.enter_scope("controls")
    evaluation = Evaluation(
        None, sample.rows, reference, streams, training=training, classes=sample.labels
    )
    columns: dict[str, Tensor] = {}
    with one_thread():
        for name, metric in metrics.items():
            if needs_fit(metric):
                continue
            try:
                measure = functools.partial(metric.measure, evaluation)
                columns |= within_memory(measure, len(sample.rows))
            except Exception as error:
                # A metric of the user's may ask the fit without saying so, and there is none.
                if type(metric).__module__.partition(".")[0] == "nc_testbed":
                    raise
                say(f"{name} has no controls: it cannot be measured without a fit ({error})")
    return {name: value.to("cpu").double() for name, value in columns.items()}


@dataclass(frozen=True)
class ControlRuler:
    """Controls and what they are measured with: as many rows as were asked for, or as
    there are unseen."""

    controls: ControlSet
    reference: Reference
    metrics: Mapping[str, Metric]
    say: Callable[[str], None]

    @classmethod
    def of(
        cls,
        reference: Reference,
        metrics: Mapping[str, Metric],
        say: Callable[[str], None],
        grey: Tensor | None = None,
    ) -> Self:
        """The controls of a reference's data; ``say`` is told what is left out, and why.

        grey: see :meth:`nc_testbed.metrics.control_rows.ControlSet.of`.
        """
        numbers = reference.streams.chains
        controls = ControlSet.of(reference.data, reference.rows, numbers, grey)
        if not controls.has_unseen_rows:
            say('no control "real": data.reserve=0 leaves no real rows unseen')
        if controls.size < reference.rows and controls.size >= FEWEST:
            reference = Reference.build(
                reference.data, reference.referee, controls.size, chains=numbers
            )
        return cls(controls, reference, metrics, say)

    @property
    def names(self) -> tuple[str, ...]:
        """The controls that can be measured; none on fewer than 20 rows."""
        return self.controls.names if self.controls.size >= FEWEST else ()

    def measure(self, name: str) -> dict[str, NDArray[np.float64]]:
        """Every metric that asks no fit, ``{column: [R]}``, of one control."""
        sample = self.controls.make(name)
        columns = measure_rows(sample, self.reference, self.metrics, self.say)
        return {column: value.numpy() for column, value in columns.items()}

    def measure_each(self, names: Iterable[str]) -> ControlValues:
        """Those of these controls that the data have."""
        selected = [name for name in names if self.names and self.controls.has(name)]
        values = {name: self.measure(name) for name in selected}
        return ControlValues(values, self.controls.size)


def few_rows(rows: int, requested: int) -> str:
    """What is said of controls that have fewer rows than were asked for."""
    if rows < FEWEST:
        return (
            f"there are no controls: unseen real rows make {rows} of {requested} rows a chain"
        )
    return f"controls have {rows} rows a chain, not {requested}: there are no more unseen real rows"


def recall_controls(key: str, measure: Callable[[], ControlValues]) -> ControlValues:
    """``measure()``, or what it gave under this key before on this machine.

    A file that cannot be read counts as none; one is there as a whole or not at all. A
    cache that cannot be written is no reason to fail.
    """
    path = cache().parent / "controls" / f"{key}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        return _read_values(path)
    values = measure()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".tmp-{os.getpid()}")
        temporary.write_text(json.dumps(_plain(values)))
        temporary.replace(path)
    return values


def controls_key(
    data: Data,
    source: str,
    referee: str,
    metrics: Mapping[str, Metric],
    evaluation: tuple[int, int, str],
) -> str:
    """Hash of all that controls depend on: real rows, referee, metrics, evaluation, and
    the code.

    source: its settings. referee: its hash. evaluation: chains, rows, and the device.
    Rows drawn from an exact law differ by seed and controls do not: of those the law's
    settings count.
    """
    record = data.record
    is_law = data.law is not None
    parts = {
        "source": source,
        "rows": None if is_law else record.get("x_sha256"),
        "held_out": record.get("held_out_sha256"),
        "referee": referee,
        "metrics": {name: repr(metric) for name, metric in metrics.items()},
        "evaluation": evaluation,
        "code": _code_hash(metrics),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _code_hash(metrics: Mapping[str, Metric]) -> str:
    """Hash of the sources of all metrics, controls among them: a change of one is a
    change of what it says."""
    files = set(Path(control_rows.__file__).parent.glob("*.py"))
    files |= {Path(inspect.getfile(type(metric))) for metric in metrics.values()}
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _plain(values: ControlValues) -> dict[str, Any]:
    """What a file of the cache holds."""
    by_control = {
        control: {name: x.tolist() for name, x in by_name.items()}
        for control, by_name in values.values.items()
    }
    return {"rows": values.rows, "values": by_control}


def _read_values(path: Path) -> ControlValues:
    """What a file of the cache holds; raises OSError or ValueError where there is
    none."""
    node = json.loads(path.read_text())
    values = {
        control: {name: np.asarray(x, dtype=np.float64) for name, x in by_name.items()}
        for control, by_name in node["values"].items()
    }
    return ControlValues(values, int(node["rows"]))
