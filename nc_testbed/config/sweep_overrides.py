"""From a command line to the overrides of every job of a sweep."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from nc_testbed.config.compose import composed, parse
from nc_testbed.core.errors import require

JOBS = 10_000
"""Most runs of one sweep: every one is composed and checked before the first starts."""


def several(parsed: Sequence[Override], swept: Sequence[str], multirun: bool) -> bool:
    """Whether a command line asks for a sweep."""
    mode = next((o.value() for o in parsed if o.key_or_group == "hydra.mode"), None)
    remedy = "-m makes several runs: leave it out"
    require(mode != "RUN" or not multirun, "hydra.mode", mode, remedy)
    many = any(override.is_sweep_override() for override in parse(swept))
    return multirun or mode == "MULTIRUN" or many


def jobs(overrides: Sequence[Override], search: bool) -> list[list[str]]:
    """The overrides of every job; of a search, which chooses them as it goes, those at both ends of
    every interval. Of several words with one key the last counts.

    Raises BadInput for a sweep that cannot be listed, or is too long.
    """
    words: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        words[key] = [f"{key}={value}" for value in _values(override, search)]
        remedy = f"that is more than {JOBS} runs: give fewer values"
        fits = math.prod(map(len, words.values())) <= JOBS
        require(fits, override.key_or_group, given(override), remedy)
    return [list(job) for job in itertools.product(*words.values())]


def _values(override: Override, search: bool) -> list[str]:
    """What a key is given, as Hydra writes it; one more than JOBS at most."""
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    key, text = override.key_or_group, given(override)
    require(not override.is_hydra_override(), key, text, "give one value")
    value = override.value()
    if search and isinstance(value, IntervalSweep):
        return [str(value.start), str(value.end)]
    if search and isinstance(value, RangeSweep) and not value.shuffle:
        return [str(value.start), str(value.stop)]  # the search takes the last number in
    require(override.is_discrete_sweep(), key, text, "list what is swept over: key=a,b")
    return list(itertools.islice(override.sweep_string_iterator(), JOBS + 1))


def given(override: Override) -> str:
    """The value as it was written."""
    return str(override.input_line).partition("=")[2]


def fixed(overrides: Sequence[Override]) -> list[Override]:
    """The words that all jobs share; of several with one key the last."""
    last = {override.get_key_element(): override for override in overrides}
    return [override for override in last.values() if not override.is_sweep_override()]


def of_sweeper(launch: Mapping[str, Any]) -> list[Override]:
    """What ``hydra.sweeper.params`` sweeps over."""
    params = launch["sweeper"].get("params") or {}
    return parse([f"{key}={value}" for key, value in params.items()])


def added(parsed: Sequence[Override], search: list[str]) -> list[str]:
    """What an experiment sweeps over, and what its full size changes, as overrides, less the
    keys that are given."""
    present = {override.key_or_group for override in parsed}
    chosen = [o for o in parsed if o.key_or_group in ("experiment", "sweep", "size", "full")]
    if any(override.is_sweep_override() for override in chosen):
        return []
    study = composed([str(o.input_line) for o in chosen], search)
    changed = {key: value for key, value in _of_study(study).items() if key not in present}
    remedy = "this study makes several runs: give hydra.sweep.dir"
    many = any(len(values) > 1 for values in changed.values())
    require(not many or "hydra.run.dir" not in present, "hydra.run.dir", "given", remedy)
    return [
        f"{key}={','.join('null' if value is None else str(value) for value in values)}"
        for key, values in changed.items()
    ]


def _of_study(study: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Every key that a study sets beside its file, with its values: several are swept over."""
    sweep, full, size = study["sweep"] or {}, study["full"] or {}, study["size"]
    listed = isinstance(sweep, dict) and all(isinstance(v, list) for v in sweep.values())
    require(listed, "sweep", sweep, "give {key: [values]}")
    require(size in ("quick", "full"), "size", size, "give quick or full")
    require(isinstance(full, dict), "full", full, "give {key: value or [values]}")
    if size == "full":
        require(bool(full), "size", size, "this experiment has one size; leave it out")
        sweep = sweep | {k: v if isinstance(v, list) else [v] for k, v in full.items()}
    return cast(dict[str, list[Any]], sweep)
