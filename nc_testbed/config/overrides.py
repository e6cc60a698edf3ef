"""Hydra's overrides: ``key=value`` words as they are
read, and those of every job of a sweep."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from nc_testbed.core.errors import BadInput, require

JOBS = 10_000
"""Most runs of one sweep: every one is composed and checked before the first starts."""
LONGEST = 2**16
"""Longest value of an override, characters."""


def parse(overrides: Sequence[str]) -> list[Override]:
    """Hydra's reading of the overrides, or BadInput for what it cannot read."""
    parser = OverridesParser.create()
    for text in overrides:
        key, _, value = text.partition("=")
        require(len(key) <= 200, key, value, "no key is so long")
        require(len(value) <= LONGEST, key, value, f"give at most {LONGEST} characters")
        try:
            parser.parse_override(text)
        except (HydraException, ValueError, RecursionError) as error:
            remedy = (
                "cannot be read; write key=value, unusual values quoted twice: 'key=\"a=b\"'"
            )
            raise BadInput(key, value, remedy) from error
    return parser.parse_overrides(list(overrides))


def line_of(override: Override) -> str:
    """The override as it was written."""
    return str(override.input_line)


def text_of(override: Override) -> str:
    """The value of an override as it was written."""
    return line_of(override).partition("=")[2]


def quote_text(text: str) -> str:
    r"""A text as Hydra reads it back.

    >>> print(quote_text(r"it's \ here"))
    'it\'s \ here'
    """
    return "'" + text.replace("'", "\\'") + "'"


def is_sweep(parsed: Sequence[Override], multirun: bool) -> bool:
    """Whether a command line asks for several runs: by ``--multirun`` or
    ``hydra.mode=MULTIRUN``.

    Raises BadInput where it says both that and ``hydra.mode=RUN``.
    """
    mode = next((o.value() for o in parsed if o.key_or_group == "hydra.mode"), None)
    remedy = "-m makes several runs: leave it out"
    require(mode != "RUN" or not multirun, "hydra.mode", mode, remedy)
    return multirun or mode == "MULTIRUN"


def check_single_values(parsed: Sequence[Override]) -> None:
    """Raise BadInput where a key of a single run is given several values."""
    remedy = "several values make several runs: add -m; a list is written [a,b]"
    for override in parsed:
        single = not override.is_sweep_override()
        require(single, override.key_or_group, text_of(override), remedy)


def job_overrides(overrides: Sequence[Override], search: bool) -> list[list[str]]:
    """The overrides of every job of a sweep; of several words with one key the last
    counts.

    search: whether the jobs are chosen as it goes; then those at both ends of every
    interval. Raises BadInput for a sweep that cannot be listed, or is too long.
    """
    words: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        words[key] = [f"{key}={value}" for value in _values(override, search)]
        remedy = f"that is more than {JOBS} runs: give fewer values"
        is_short = math.prod(map(len, words.values())) <= JOBS
        require(is_short, override.key_or_group, text_of(override), remedy)
    return [list(job) for job in itertools.product(*words.values())]


def _values(override: Override, search: bool) -> list[str]:
    """The values of a key, as Hydra writes them; one more than JOBS at most."""
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    key = override.key_or_group
    require(not override.is_hydra_override(), key, text_of(override), "give one value")
    value = override.value()
    if search and isinstance(value, IntervalSweep):
        return [str(value.start), str(value.end)]
    if search and isinstance(value, RangeSweep) and not value.shuffle:
        return [str(value.start), str(value.stop)]  # the search takes the last number in
    remedy = "list what is swept over: key=a,b"
    require(override.is_discrete_sweep(), key, text_of(override), remedy)
    return list(itertools.islice(override.sweep_string_iterator(), JOBS + 1))


def shared_overrides(overrides: Sequence[Override]) -> list[Override]:
    """The words that all jobs share; of several with one key the last."""
    last = {override.get_key_element(): override for override in overrides}
    return [override for override in last.values() if not override.is_sweep_override()]


def sweeper_overrides(launch: Mapping[str, Any]) -> list[Override]:
    """The overrides of ``hydra.sweeper.params``."""
    params = launch["sweeper"].get("params") or {}
    return parse([f"{key}={value}" for key, value in params.items()])


def study_overrides(study: Mapping[str, Any], parsed: Sequence[Override]) -> list[str]:
    """What an experiment sweeps over, and what its full size changes, as overrides.

    study: the composed configuration. parsed: the command line, whose keys stay as they
    are. A command that sweeps over studies themselves gets what it says alone.
    """
    of_study = [o for o in parsed if o.key_or_group in ("experiment", "sweep", "size", "full")]
    if any(override.is_sweep_override() for override in of_study):
        return []
    present = {override.key_or_group for override in parsed}
    changes = {key: v for key, v in _study_values(study).items() if key not in present}
    remedy = "this study makes several runs: give out=, or hydra.sweep.dir"
    several = any(len(values) > 1 for values in changes.values())
    require(not several or "hydra.run.dir" not in present, "hydra.run.dir", "given", remedy)
    return [
        f"{key}={','.join('null' if value is None else str(value) for value in values)}"
        for key, values in changes.items()
    ]


def _study_values(study: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Every key that a study sets beside its
    file, with its values: several are swept over."""
    sweep = study["sweep"] or {}
    full = study["full"] or {}
    size = study["size"]
    lists = isinstance(sweep, dict) and all(isinstance(v, list) for v in sweep.values())
    require(lists, "sweep", sweep, "give {key: [values]}")
    require(size in ("quick", "full"), "size", size, "give quick or full")
    require(isinstance(full, dict), "full", full, "give {key: value or [values]}")
    if size == "full":
        require(bool(full), "size", size, "this experiment has one size; leave it out")
        sweep = sweep | {k: v if isinstance(v, list) else [v] for k, v in full.items()}
    return cast(dict[str, list[Any]], sweep)
