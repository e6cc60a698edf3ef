"""The command that makes a run again, from the settings that it stored."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from nc_testbed.config.compose import CONF, STUDY, composed
from nc_testbed.config.settings import of_run
from nc_testbed.core.errors import BadInput
from nc_testbed.core.safe_loading import read_yaml

LEFT_OUT = ("name", "facts", "hash")
"""What a run adds to its settings."""
NO_TEXT = ("true", "false", "null", "inf", "nan")
"""Words that are read as something else unless they are quoted."""


def command(config: Mapping[str, Any]) -> str | None:
    """The line whose settings are, to the last value, those that a run stored; None where no
    line gives them back: files of the user's own, or another version's defaults.

    Call it within ``compose.configurations``.
    """
    wanted = {key: value for key, value in config.items() if key not in LEFT_OUT}
    words = _groups(config)
    try:
        words += _differing(wanted, _settings(tuple(words)))
        same = _settings(tuple(words)) == wanted
    except (BadInput, ValueError):
        return None
    return shlex.join(["python", "scripts/train.py", *words]) if same else None


@lru_cache(maxsize=64)
def _settings(words: tuple[str, ...]) -> dict[str, Any]:
    """The settings that these words give, as they are stored."""
    made = composed(words)
    made = {k: v for k, v in made.items() if k not in (*STUDY, *LEFT_OUT)}
    of_run(made)  # refuses what is no setting
    return json.loads(json.dumps(made))


def _groups(config: Mapping[str, Any]) -> list[str]:
    """The words that choose options: data, model, policy and those within it, metrics."""
    words = [f"{group}={config['name'][group]}" for group in ("data", "model", "policy")]
    inner, place = config["policy"].get("inner"), "policy.inner"
    while isinstance(inner, Mapping):
        words += [f"policy@{place}={option}" for option in _options_of(inner.get("_target_"))]
        inner, place = inner.get("inner"), f"{place}.inner"
    metrics = config.get("metrics")
    if isinstance(metrics, Mapping) and not metrics.get("auto"):
        words.append(f"metrics=[{','.join(map(str, metrics))}]")
    return words


def _options_of(target: Any) -> list[str]:
    """The policy, if any, whose file names this class."""
    files = sorted((CONF / "policy").glob("*.yaml"))
    known = ((file, read_yaml(file, "policy")) for file in files)
    return [file.stem for file, content in known if content.get("_target_") == target][:1]


def _differing(wanted: Any, given: Any, place: str = "") -> Iterator[str]:
    """A word for every setting that is not what it should be."""
    for key, value in wanted.items():
        path = f"{place}{key}"
        if key not in given:
            yield f"+{path}={_written(value)}"
        elif isinstance(value, Mapping) and isinstance(given[key], Mapping):
            yield from _differing(value, given[key], f"{path}.")
        elif value != given[key] or type(value) is not type(given[key]):
            yield f"{path}={_written(value)}"


def _written(value: Any) -> str:
    """A value as the command line reads it.

    >>> _written(None), _written([1, 2.5]), _written({"first": 100, "power": 2}), _written("a b")
    ('null', '[1,2.5]', '{first:100,power:2}', '"a b"')
    """
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    word = isinstance(value, str) and value.isidentifier() and value.lower() not in NO_TEXT
    if isinstance(value, str) and not word:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
