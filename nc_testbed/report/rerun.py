"""The command that makes a run again, from the settings that it stored."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from nc_testbed.config.compose import CONF, STUDY, compose_config
from nc_testbed.config.settings import of_run
from nc_testbed.core.errors import BadInput
from nc_testbed.core.safe_loading import read_yaml

ADDED = ("name", "facts", "hash")
"""What a run adds to its settings."""
NO_TEXT = ("true", "false", "null", "inf", "nan")
"""Words that are read as something else unless they are quoted."""


def rerun_command(config: Mapping[str, Any]) -> str | None:
    """The line whose settings are, to the last value, those that a run stored; None where
    no line gives them back: files of the user's own, or another version's defaults.

    Call it within ``compose.configurations``.
    """
    stored = {key: value for key, value in config.items() if key not in ADDED}
    words = _group_choices(config)
    try:
        words += _overrides(stored, _compose(tuple(words)))
        is_same = _compose(tuple(words)) == stored
    except (BadInput, ValueError):
        return None
    return shlex.join(["python", "scripts/train.py", *words]) if is_same else None


@lru_cache(maxsize=64)
def _compose(words: tuple[str, ...]) -> dict[str, Any]:
    """The settings that these words give, as they are stored."""
    config = {k: v for k, v in compose_config(words).items() if k not in (*STUDY, *ADDED)}
    of_run(config)  # refuses what is no setting
    return json.loads(json.dumps(config))


def _group_choices(config: Mapping[str, Any]) -> list[str]:
    """The words that choose options: data, model, policy and those within it, metrics."""
    words = [f"{group}={config['name'][group]}" for group in ("data", "model", "policy")]
    inner = config["policy"].get("inner")
    key = "policy.inner"
    while isinstance(inner, Mapping):
        words += [f"policy@{key}={option}" for option in _policies_of(inner.get("_target_"))]
        inner = inner.get("inner")
        key += ".inner"
    metrics = config.get("metrics")
    if isinstance(metrics, Mapping) and not metrics.get("auto"):
        words.append(f"metrics=[{','.join(map(str, metrics))}]")
    return words


def _policies_of(target: Any) -> list[str]:
    """The policy, if any, whose file names this class."""
    files = sorted((CONF / "policy").glob("*.yaml"))
    contents = ((file, read_yaml(file, "policy")) for file in files)
    return [file.stem for file, content in contents if content.get("_target_") == target][:1]


def _overrides(stored: Any, composed: Any, prefix: str = "") -> Iterator[str]:
    """A word for every stored setting that is not what was composed."""
    for key, value in stored.items():
        path = f"{prefix}{key}"
        if key not in composed:
            yield f"+{path}={_hydra_text(value)}"
        elif isinstance(value, Mapping) and isinstance(composed[key], Mapping):
            yield from _overrides(value, composed[key], f"{path}.")
        elif value != composed[key] or type(value) is not type(composed[key]):
            yield f"{path}={_hydra_text(value)}"


def _hydra_text(value: Any) -> str:
    """A value as the command line reads it.

    >>> _hydra_text(None), _hydra_text([1, 2.5]), _hydra_text({"first": 100, "power": 2})
    ('null', '[1,2.5]', '{first:100,power:2}')
    >>> _hydra_text("a b")
    '"a b"'
    """
    if isinstance(value, Mapping):
        pairs = (f"{key}:{_hydra_text(inner)}" for key, inner in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_hydra_text, value)) + "]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    is_word = isinstance(value, str) and value.isidentifier() and value.lower() not in NO_TEXT
    if isinstance(value, str) and not is_word:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
