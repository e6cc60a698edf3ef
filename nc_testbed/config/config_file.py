"""The settings of a run as its directory keeps
them: one file that carries its own sha256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nc_testbed.core.errors import BadInput
from nc_testbed.core.safe_loading import parse_yaml

NAME = "config.yaml"
LARGEST = 2**24
"""Bytes of a file of settings or a manifest that are read at most."""
FREE = ("generations", "compute", "dashboard", "store", "name", "facts", "hash")
"""Settings that change no generation's result: a run may be continued under others."""
LAST = "# sha256 of the lines above: "


def settings_hash(config: Mapping[str, Any]) -> str:
    """sha256 of every setting that decides a generation's result, 64 hex digits.

    >>> settings_hash({"seed": 0, "generations": 3}) == settings_hash({"seed": 0})
    True
    """
    decisive = {key: value for key, value in config.items() if key not in FREE}
    # All of compute= that decides a result; other settings of it may change.
    decisive["precision"] = config.get("compute", {}).get("precision")
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def root(config: Mapping[str, Any]) -> str:
    """Where the chain of generations starts: sha256
    of the settings, the real data, the referee."""
    facts = config.get("facts", {})
    start = [config["hash"], facts.get("real_sha256"), facts.get("referee")]
    return hashlib.sha256(json.dumps(start).encode()).hexdigest()


def text(config: Mapping[str, Any]) -> bytes:
    """``config.yaml``, its last line the sha256 of those before it."""
    body = yaml.safe_dump(dict(config), sort_keys=False).encode()
    return body + f"{LAST}{hashlib.sha256(body).hexdigest()}\n".encode()


def load_config(run: Path) -> dict[str, Any] | None:
    """The settings that a run's directory keeps, None where it keeps none.

    Raises ValueError where a byte of the file is not as it was written, or where somebody
    else has written and hashed what no run would (aliases of aliases, say).
    """
    file = run / NAME
    if not file.is_file():
        return None
    if file.stat().st_size > LARGEST:
        raise ValueError(f"{NAME} is altered")
    body, mark, _ = (data := file.read_bytes()).rpartition(LAST.encode())
    if not mark or data != body + f"{LAST}{hashlib.sha256(body).hexdigest()}\n".encode():
        raise ValueError(f"{NAME} is altered")
    try:
        config = parse_yaml(body.decode(), NAME, file, LARGEST)
    except (BadInput, UnicodeDecodeError):
        config = None
    if not isinstance(config, dict) or not isinstance(config.get("hash"), str):
        raise ValueError(f"{NAME} is no run's")
    return config
