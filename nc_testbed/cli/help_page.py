"""The pages that ``--help`` and ``--cfg job`` print, their words from the comments in ``conf/``."""

from __future__ import annotations

import re
import shlex
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from nc_testbed.cli.describe import Book
from nc_testbed.core.errors import shown

HEAD = "nc_testbed: what happens to generative models retrained on what models made."
USAGE = {
    "policy=replace chains=16": "one run",
    "-m policy=replace,anchor seed=1,2": "a sweep",
    "resume=outputs/my_run": "go on where a run ended, or was killed",
    "model=gmm policy=collect --help": "this page, about what is chosen",
    "model=gmm policy=collect --cfg job": "the settings of a run as a file",
}
FOOT = "Powered by Hydra (https://hydra.cc); --hydra-help for its own options."
LAUNCH = ("hydra/launcher", "hydra/sweeper")
"""Groups beside a run's settings: who starts the runs of a sweep, and who chooses them."""
MARGIN = 34
"""Columns for names and values; where they are longer the description is below them."""
PLAIN = re.compile(r"[A-Za-z_/.][\w/~.@+-]*")
"""Texts that an override need not quote, unless they read as another kind of value."""


@dataclass(frozen=True)
class Chosen:
    """What a command line comes to.

    settings: as composed. choices: ``{group: option}``, Hydra's own too. book: the files they come
    from. study: the keys that belong to a study and not to its runs.
    """

    settings: Mapping[str, Any]
    choices: Mapping[str, Any]
    book: Book
    study: Sequence[str]

    @property
    def options(self) -> dict[str, list[str]]:
        """What is chosen of every group of a run: several metrics, one of the others."""
        named = {k: v for k, v in self.choices.items() if k.partition("/")[0] != "hydra"}
        chosen = {k: [str(v)] for k, v in named.items() if v is not None}
        return chosen if "metrics" in chosen else chosen | {"metrics": [*self.settings["metrics"]]}

    @property
    def said(self) -> dict[str, str]:
        """The description of every key, and of what was chosen of every group."""
        said = dict(self.book.of("", "config").keys)
        for group, options in self.options.items():
            folder, _, package = group.partition("@")
            for option in options if group != "experiment" else ():
                file, at = self.book.of(folder, option), package or folder
                said |= {f"{at}.{key}": text for key, text in file.keys.items()}
                said |= {f"{at}.{option}": file.text} if len(options) > 1 else {}
                said[at] = f"{option}: {file.text}" if len(options) == 1 else ""
        return said


def help_page(chosen: Chosen) -> str:
    """Every group and its options, then every setting with its value, then how to ask."""
    lines = [*textwrap.wrap(HEAD, _width()), "", "GROUPS: group=option (* is chosen here)"]
    said = chosen.said
    for group in _groups(chosen):
        about = said.get(f"defaults.{group}", "")
        lines += ["", *_heading(group, ": ", about)]
        taken = chosen.options.get(group, [chosen.choices.get(group)])
        options = chosen.book.options(group).items()
        lines += _listed(
            (f"{'* ' if name in taken else '  '}{name}", text) for name, text in options
        )
    lines += ["", "", "SETTINGS: key=value"]
    groups = _groups(chosen)
    for title, keys in _sections(chosen):
        about = said.get(title, "")
        lines += ["", *_heading(title, "=" if title in groups else ": ", about)]
        lines += _listed((f"  {key}={written(v)}", said.get(key, "")) for key, v in keys.items())
    usage = [(f"  python scripts/train.py {words}", text) for words, text in USAGE.items()]
    return "\n".join([*lines, "", "", "USAGE", "", *_listed(usage, margin=70), "", FOOT])


def settings_page(chosen: Chosen, words: Sequence[str]) -> str:
    """The settings as YAML with their descriptions.

    It is a file that can be given back, as an option of the group ``experiment``.
    """
    place = {key: i for i, key in enumerate(chosen.settings)}
    taken = [(group, options) for group, options in chosen.options.items() if group != "experiment"]
    taken.sort(key=lambda pair: place[pair[0].partition("@")[0]])
    default = {group: options if len(options) > 1 else options[0] for group, options in taken}
    lines = [
        "# @package _global_",
        f"# Settings in force under: {shown(shlex.join(words), 1000)}" if words else "# Settings",
        "# Kept as my_conf/experiment/mine.yaml, they are run by",
        "#   python scripts/train.py --config-dir my_conf experiment=mine",
        "defaults:",
        *(f"  - {_dumped({f'override /{group}': option})}" for group, option in default.items()),
        *_yaml(chosen.settings, chosen.said, ""),
    ]
    return "\n".join(lines)


def written(value: Any) -> str:
    """A value as an override gives it.

    >>> print(written([1, None, True, "full", "a b"]), written({"k": 0.5}))
    [1,null,true,full,'a b'] {k:0.5}
    """
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{written(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if not isinstance(value, str):
        return "null" if value is None else str(value).lower()
    kind = re.fullmatch(r"(?i)true|false|null|nan|inf|[-+.\d].*", value)
    if PLAIN.fullmatch(value) and not kind:
        return value
    return "'{}'".format(value.replace("'", "\\'"))


def _groups(chosen: Chosen) -> list[str]:
    """The groups of the main file's defaults, then those of sweeps, as far as they have options."""
    keys = (key.partition("defaults.")[2] for key in chosen.book.of("", "config").keys)
    return [key for key in (*keys, *LAUNCH) if key and chosen.book.options(key)]


def _sections(chosen: Chosen) -> Iterator[tuple[str, dict[str, Any]]]:
    """Titles and ``{dotted key: value}``: nodes of the settings are sections of their own."""
    plain = {key: value for key, value in chosen.settings.items() if key not in chosen.study}
    nodes = {key: value for key, value in plain.items() if isinstance(value, Mapping)}
    groups = _groups(chosen)
    yield "run", {key: value for key, value in plain.items() if key not in nodes}
    for key in sorted(nodes, key=lambda key: key in groups):
        leaves = dict(_leaves(nodes[key], f"{key}."))
        if leaves or key in groups:
            yield key, leaves
    yield "study", {key: v for key, v in chosen.settings.items() if key in chosen.study}


def _leaves(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif key != "_target_":
            yield f"{prefix}{key}", value


def _heading(title: str, mark: str, about: str) -> list[str]:
    return textwrap.wrap(f"{title}{mark}{about}" if about else title, _width())


def _width() -> int:
    return min(max(shutil.get_terminal_size((100, 24)).columns, 60), 120)


def _listed(rows: Iterable[tuple[str, str]], margin: int = MARGIN) -> list[str]:
    """Names in one column, what is said of them in another."""
    listed, lines = list(rows), []
    column = min(max((len(name) for name, _ in listed), default=0), margin) + 2
    for name, text in listed:
        lines += _beside(name, "", text, column)
    return lines


def _beside(name: str, mark: str, text: str, column: int) -> list[str]:
    """A text in lines of its own column, a name before it, or above it where it is too long."""
    parts = textwrap.wrap(text, max(_width() - column - len(mark), 30))
    fits = bool(parts) and len(name) + 2 <= column
    first = [f"{name:{column}}{mark}{parts[0]}" if fits else name]
    return first + [" " * column + mark + part for part in parts[fits:]]


def _yaml(node: Mapping[str, Any], said: Mapping[str, str], prefix: str) -> Iterator[str]:
    """A node's lines, each with what is said of its key behind it."""
    pad = "  " * prefix.count(".")
    nodes = {key: value for key, value in node.items() if isinstance(value, Mapping) and value}
    heads = {
        key: pad + (f"{_dumped({key: 0})[:-1].rstrip()}" if key in nodes else _dumped({key: value}))
        for key, value in node.items()
    }
    told = [head for key, head in heads.items() if said.get(f"{prefix}{key}")]
    column = min(max(map(len, told), default=0), MARGIN) + 2
    before = None
    for key, head in heads.items():
        if not prefix and (key in nodes or before in nodes):
            yield ""
        before = key
        yield from _beside(head, "# ", said.get(f"{prefix}{key}", ""), column)
        yield from _yaml(nodes.get(key, {}), said, f"{prefix}{key}.")


def _dumped(entry: Mapping[str, Any]) -> str:
    """One key and its value on a line of YAML."""
    return yaml.safe_dump(dict(entry), default_flow_style=True, width=2**30).strip()[1:-1]
