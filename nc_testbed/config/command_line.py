"""The grammar of every verb but ``train``: folders, then ``key=value``."""

from __future__ import annotations

import dataclasses
import os
import re
import typing
from collections.abc import Collection, Sequence
from typing import Any

from nc_testbed.config.build import build, nearest
from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.safe_loading import parse_yaml

NAME = re.compile(r"[A-Za-z_][\w.]*")
"""What stands before ``=`` where a word is no
folder: names of runs have a ``=`` in them too."""


def read_command(settings: Any, words: Sequence[str]) -> Any:
    """The settings of a verb from its words; they are the folders of its field
    ``folders``.

    Raises BadInput for an unknown key, an option with dashes, and folders that are
    missing or that the verb does not take.

    >>> @dataclasses.dataclass
    ... class Report:
    ...     folders: tuple[str, ...]
    ...     columns: tuple[str, ...] = ()
    >>> read_command(Report, ["outputs/a", "columns=recall,tv"])
    Report(folders=('outputs/a',), columns=('recall', 'tv'))
    """
    hints = typing.get_type_hints(settings)
    keys = {field.name for field in dataclasses.fields(settings)} - {"folders"}
    folders: list[str] = []
    values: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if word.startswith("-"):
            raise BadInput(key, text, _instead_of(key, keys))
        if equals and key in keys:
            values[key] = read_value(hints[key], key, text)
        elif equals and NAME.fullmatch(key) and not os.path.exists(word):
            raise BadInput(key, text, nearest(key, keys))
        else:
            folders.append(word)
    if "folders" in hints:
        require(bool(folders), "folder", "", "name the directory of a run or of a sweep")
        values["folders"] = folders
    elif folders:
        raise BadInput(folders[0], "", f"write key=value ({', '.join(sorted(keys))})")
    return build(settings, values)


def read_value(hint: Any, key: str, text: str) -> Any:
    """A value as it is written: a text as it stands, a list also as ``a,b``, the rest as
    YAML.

    >>> read_value(tuple[str, ...], "columns", "recall"), read_value(bool, "rows", "true")
    (['recall'], True)
    """
    if hint in (str, str | None):
        return text
    if typing.get_origin(hint) is tuple and not text.startswith("["):
        return text.split(",")
    return parse_yaml(text, key, text)


def _instead_of(option: str, keys: Collection[str]) -> str:
    """What is written in place of an option with dashes, which earlier versions had."""
    name = option.lstrip("-").replace("-", "_")
    if name in keys:
        return f"write {name}=VALUE"
    return f"write key=value ({', '.join(sorted(keys))}); --help shows them"
