"""YAML that somebody else may have written: size, depth and aliases are bounded before it is read.

An alias stands for all that its anchor holds, so 180 bytes of aliases of aliases are 10^9 values.
The stream of a file's events expands nothing: it is checked first.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from nc_testbed.core.errors import BadInput, require

BYTES = 2**20
"""Largest file of a user's settings."""
OWN = 2**26
"""Largest ``config.yaml`` of a run: it lists what every chain drew."""
DEPTH = 32
"""Deepest nesting."""
FILES = 10_000
"""Most files in a folder of settings: more are not one."""
DIGITS = 1000
"""Longest number: reading one takes a time that grows as the square of its length."""
NUMBER = re.compile(r"[-+0-9a-fA-FxXob_.:]*")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path, key: str, limit: int = BYTES) -> Any:
    """The plain values of a file; raises BadInput (``key``) for one that cannot be trusted or read.

    limit: bytes; values, those that aliases repeat counted too, may be an eighth of them.
    """
    return parse_yaml(_text(path, key, limit), key, path, limit)


def parse_yaml(text: str, key: str, shown: Any, limit: int = BYTES) -> Any:
    """The plain values of a text; raises BadInput with ``shown`` for its value.

    >>> parse_yaml("a: [1, 2]", "a", "text")
    {'a': [1, 2]}
    """
    require(len(text) <= limit, key, shown, f"is longer than {limit} characters: shorten it")
    try:
        fault = _fault(text, limit)
        require(fault is None, key, shown, str(fault))
        return LOADER(text).get_single_data()  # C's loader: five times as fast
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that is none
        why = " ".join(str(error).split())
        raise BadInput(key, shown, f"cannot be read as YAML ({why})") from None


def check_folder(folder: str, key: str) -> None:
    """Raise BadInput unless every ``.yaml`` file at or below the folder is within the limits."""
    require(os.path.isdir(folder), key, folder, "no such folder")
    for count, path in enumerate(_files(folder)):
        remedy = f"holds more than {FILES} files: name the folder of your YAML files alone"
        require(count < FILES, key, folder, remedy)
        if path.suffix in (".yaml", ".yml"):
            fault = None
            try:
                fault = _fault(_text(path, key, BYTES), BYTES)
            except yaml.YAMLError as error:
                fault = f"cannot be read as YAML ({' '.join(str(error).split())})"
            require(fault is None, key, path, str(fault))


def _files(folder: str) -> Iterator[Path]:
    """Every file below a folder, links followed as whoever reads them does."""
    for parent, _, names in os.walk(folder, followlinks=True):
        yield from (Path(parent) / name for name in names)


def _text(path: Path, key: str, limit: int) -> str:
    """A regular file's text, if it is not too long; nothing else is opened, a pipe would wait."""
    try:
        facts = path.stat()
        require(stat.S_ISREG(facts.st_mode), key, path, "is no file")
        remedy = f"has {facts.st_size} bytes and the limit is {limit}: shorten it"
        require(facts.st_size <= limit, key, path, remedy)
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: NUL in the name, or no UTF-8
        raise BadInput(key, path, f"cannot be read ({' '.join(str(error).split())})") from None


def _fault(text: str, limit: int) -> str | None:
    """What is wrong with a text's depth or aliases, or None; raises YAMLError for no YAML."""
    anchors: dict[str, tuple[int, int]] = {}  # values and levels behind every anchor
    open_nodes: list[list[Any]] = []  # anchor, values before it, levels below it so far
    values = 0
    for event in yaml.parse(text, LOADER):
        held, levels = (1, 0) if isinstance(event, yaml.NodeEvent) else (0, 0)
        if isinstance(event, yaml.AliasEvent):
            held, levels = anchors.get(event.anchor, (limit, 0))  # none yet: it holds itself
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append([event.anchor, values, 0])
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before, below = open_nodes.pop()
            anchors[anchor], levels = (values - before, below + 1), below + 1
        elif isinstance(event, yaml.ScalarEvent):
            anchors[str(event.anchor)] = (1, 0)
            if len(event.value) > DIGITS and event.implicit[0] and NUMBER.fullmatch(event.value):
                return f"holds a number of more than {DIGITS} digits: quote it"
        values += held
        if levels and open_nodes:
            open_nodes[-1][2] = max(open_nodes[-1][2], levels)
        if len(open_nodes) + levels > DEPTH:
            return f"is nested deeper than {DEPTH} levels: flatten it"
        if values > limit // 8:
            return f"holds more than {limit // 8} values, aliases expanded: write fewer"
    return None
