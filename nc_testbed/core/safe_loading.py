"""What is read of files that somebody else may have written, and how far it is trusted.

Plain values alone: no file is unpickled, and no more is read of one than its limit.
Python runs where the user has named the package (``extensions=``), and nowhere else: see
:func:`require_allowed_target`.
"""

from __future__ import annotations

import collections
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from nc_testbed.core.errors import BadInput, require

BYTES = 2**20
"""Largest file of a user's settings."""
OWN = 2**26
"""Largest ``config.yaml`` of a run: it lists what every chain drew."""
FILES = 10_000
"""Most files in a folder of settings: more are not one."""
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""C's loader of plain values, five times as fast as
Python's, where PyYAML was built with it."""


def read_yaml(path: Path, key: str, limit: int = BYTES) -> Any:
    """The plain values of a file of at most
    ``limit`` bytes; raises BadInput (``key``)."""
    return parse_yaml(_read_text(path, key, limit), key, path, limit)


def parse_yaml(text: str, key: str, shown: Any, limit: int = BYTES) -> Any:
    """The plain values of a text; raises BadInput with ``shown`` for its value.

    >>> parse_yaml("a: [1, 2]", "a", "text")
    {'a': [1, 2]}
    """
    require(len(text) <= limit, key, shown, f"is longer than {limit} characters: shorten it")
    try:
        return LOADER(text).get_single_data()
    # ValueError: a date or number that is none; RecursionError: Python's loader has no own limit
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise BadInput(key, shown, f"cannot be read as YAML ({reason})") from None


def check_folder(folder: str, key: str) -> None:
    """Raise BadInput unless every ``.yaml`` file at or below the folder is YAML within
    its limit.

    Hydra opens them without asking, and would wait for ever for a pipe; of a file that is
    no YAML it says less.
    """
    require(os.path.isdir(folder), key, folder, "no such folder")
    for count, path in enumerate(_files(folder)):
        remedy = f"holds more than {FILES} files: name the folder of your YAML files alone"
        require(count < FILES, key, folder, remedy)
        if path.suffix in (".yaml", ".yml"):
            _check_syntax(_read_text(path, key, BYTES), key, path)


def require_allowed_target(name: Any, packages: Iterable[str], key: str) -> None:
    """Raise BadInput unless a ``_target_`` names something of one of these packages.

    >>> require_allowed_target("nc_testbed.models.gmm.GMM", ["nc_testbed"], "model._target_")
    """
    allowed = tuple(packages)
    remedy = f"name a class of {' or '.join(allowed)}; declare others in extensions=[...]"
    require(isinstance(name, str) and name.split(".")[0] in allowed, key, name, remedy)


def _check_syntax(text: str, key: str, shown: Any) -> None:
    """Raise BadInput for a text that is no YAML; no value of it is made."""
    try:
        collections.deque(yaml.parse(text, LOADER), maxlen=0)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise BadInput(key, shown, f"cannot be read as YAML ({reason})") from None


def _files(folder: str) -> Iterator[Path]:
    """Every file below a folder, links followed as Hydra follows them."""
    for parent, _, names in os.walk(folder, followlinks=True):
        yield from (Path(parent) / name for name in names)


def _read_text(path: Path, key: str, limit: int) -> str:
    """A regular file's text, if it is not too long;
    nothing else is opened, a pipe would wait."""
    try:
        facts = path.stat()
        require(stat.S_ISREG(facts.st_mode), key, path, "is no file")
        remedy = f"has {facts.st_size} bytes and the limit is {limit}: shorten it"
        require(facts.st_size <= limit, key, path, remedy)
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: NUL in the name, or no UTF-8
        raise BadInput(key, path, f"cannot be read ({' '.join(str(error).split())})") from None
