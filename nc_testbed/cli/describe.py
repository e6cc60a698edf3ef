"""What the comments in ``conf/`` say: a line for
every option of a group and for every key."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from nc_testbed.core.safe_loading import LOADER

LABEL = re.compile(r"[A-Z]\w*:|$")
"""What ends a file's first comment: a line about
something else (``Source:``), or an empty one."""
COMMENT = re.compile(r"\s*:?\s*#\s?(.*)")
"""What may follow a key or a value on its line."""


@dataclass(frozen=True)
class Description:
    """What a file of settings says of itself, and of its keys ``{dotted key: text}``."""

    text: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)


def describe_file(text: str) -> Description:
    """Read a file's comments: the first is about the file (its question, in an
    experiment), those behind a value, and below it to the next key, about that key.

    Entries of ``defaults`` are keys too.

    >>> describe_file("# A thing.\\na: 1 # how much\\nb: # parts\\n  c: [x] # which").keys
    {'a': 'how much', 'b': 'parts', 'b.c': 'which'}
    """
    lines = text.splitlines()
    head = [
        line.lstrip("# ") for line in itertools.takewhile(lambda x: x.startswith("#"), lines)
    ]
    head = [line for line in head if not line.startswith("@package")]
    first = head[:1] + list(itertools.takewhile(lambda x: not LABEL.match(x), head[1:]))
    summary = " ".join(first).removeprefix("Question:").strip()
    return Description(summary, dict(_keys(yaml.compose(text, LOADER), lines, "")))


def _keys(
    node: yaml.Node | None, lines: Sequence[str], prefix: str
) -> Iterator[tuple[str, str]]:
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value if prefix == "defaults." else ():
            yield from _keys(entry, lines, prefix)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        block = isinstance(value, yaml.CollectionNode) and not value.flow_style
        mark = key.end_mark if block else value.end_mark
        yield f"{prefix}{key.value}", _comment(lines, mark.line, mark.column)
        yield from _keys(value, lines, f"{prefix}{key.value}.")


def _comment(lines: Sequence[str], line: int, column: int) -> str:
    """The comment that begins behind a place, and goes on in the lines below it."""
    match = COMMENT.fullmatch(lines[line][column:]) if line < len(lines) else None
    texts = [match[1]] if match else []
    for below in lines[line + 1 :] if match else ():
        if not below.lstrip().startswith("#"):
            break
        texts.append(below.lstrip(" #"))
    return " ".join(texts)


@dataclass(frozen=True)
class Book:
    """The files of settings in some folders: the package's own, then a user's."""

    folders: Sequence[Path]

    def options(self, group: str) -> dict[str, str]:
        """Every option of a group, and what it is."""
        files = (file for folder in self.folders for file in (folder / group).glob("*.yaml"))
        return {file.stem: self.of(group, file.stem).text for file in sorted(files, key=_name)}

    def of(self, group: str, option: str) -> Description:
        """What an option's file says; ``of("", "config")`` is the main one's."""
        files = (folder / group / f"{option}.yaml" for folder in self.folders)
        file = next((file for file in files if file.is_file()), None)
        return (
            Description() if file is None else describe_file(file.read_text(encoding="utf-8"))
        )


def _name(file: Path) -> str:
    return file.stem
