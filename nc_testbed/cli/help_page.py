"""The pages that ``--help`` and ``--cfg job`` print,
their words from the comments in ``conf/``."""

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
from nc_testbed.core.errors import printable

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
"""Groups beside a run's settings: who starts the
runs of a sweep, and who chooses them."""
MARGIN = 34
"""Columns for names and values; where they are longer the description is below them."""
PLAIN = re.compile(r"[A-Za-z_/.][\w/~.@+-]*")
"""Texts that an override need not quote, unless they read as another kind of value."""


@dataclass(frozen=True)
class Choice:
    """What a command line comes to.

    settings: as composed. choices: ``{group: option}``, Hydra's own too. book: the files
    they come from. study: the keys that belong to a study and not to its runs.
    """

    settings: Mapping[str, Any]
    choices: Mapping[str, Any]
    book: Book
    study: Sequence[str]

    @property
    def options(self) -> dict[str, list[str]]:
        """What is chosen of every group of a run: several metrics, one of the others."""
        groups = [k for k in self.choices if k.partition("/")[0] != "hydra"]
        names = {k: self.choices[k] for k in groups if self.choices[k] is not None}
        options = {k: [str(v)] for k, v in names.items()}
        if "metrics" not in options:  # metrics=[a,b] is a list, and no choice of Hydra's
            options["metrics"] = [*self.settings["metrics"]]
        return options

    @property
    def texts(self) -> dict[str, str]:
        """The description of every key, and of what was chosen of every group."""
        texts = dict(self.book.of("", "config").keys)
        for group, options in self.options.items():
            folder, _, package = group.partition("@")
            for option in options if group != "experiment" else ():
                file = self.book.of(folder, option)
                at = package or folder
                texts |= {f"{at}.{key}": text for key, text in file.keys.items()}
                texts |= {f"{at}.{option}": file.text} if len(options) > 1 else {}
                texts[at] = f"{option}: {file.text}" if len(options) == 1 else ""
        return texts


def help_page(choice: Choice) -> str:
    """Every group and its options, then every setting with its value, then how to ask."""
    lines = [*textwrap.wrap(HEAD, _width()), "", "GROUPS: group=option (* is chosen here)"]
    texts = choice.texts
    for group in _groups(choice):
        summary = texts.get(f"defaults.{group}", "")
        lines += ["", *_heading(group, ": ", summary)]
        selected = choice.options.get(group, [choice.choices.get(group)])
        options = choice.book.options(group).items()
        lines += _columns(
            (f"{'* ' if name in selected else '  '}{name}", text) for name, text in options
        )
    lines += ["", "", "SETTINGS: key=value"]
    groups = _groups(choice)
    for title, keys in _sections(choice):
        summary = texts.get(title, "")
        lines += ["", *_heading(title, "=" if title in groups else ": ", summary)]
        lines += _columns(
            (f"  {key}={as_override(v)}", texts.get(key, "")) for key, v in keys.items()
        )
    usage = [(f"  python scripts/train.py {words}", text) for words, text in USAGE.items()]
    return "\n".join([*lines, "", "", "USAGE", "", *_columns(usage, margin=70), "", FOOT])


def settings_page(choice: Choice, words: Sequence[str]) -> str:
    """The settings as YAML with their descriptions.

    It is a file that can be given back, as an option of the group ``experiment``.
    """
    rank = {key: i for i, key in enumerate(choice.settings)}
    groups = [group for group in choice.options if group != "experiment"]
    groups.sort(key=lambda group: rank[group.partition("@")[0]])
    default: dict[str, Any] = {}
    for group in groups:
        options = choice.options[group]
        default[group] = options if len(options) > 1 else options[0]
    lines = [
        "# @package _global_",
        f"# Settings in force under: {printable(shlex.join(words), 1000)}"
        if words
        else "# Settings",
        "# Kept as my_conf/experiment/mine.yaml, they are run by",
        "#   python scripts/train.py --config-dir my_conf experiment=mine",
        "defaults:",
        *(
            f"  - {_yaml_line({f'override /{group}': option})}"
            for group, option in default.items()
        ),
        *_yaml(choice.settings, choice.texts, ""),
    ]
    return "\n".join(lines)


def as_override(value: Any) -> str:
    """A value as an override gives it.

    >>> print(as_override([1, None, True, "full", "a b"]), as_override({"k": 0.5}))
    [1,null,true,full,'a b'] {k:0.5}
    """
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{as_override(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(as_override, value))}]"
    if not isinstance(value, str):
        return "null" if value is None else str(value).lower()
    kind = re.fullmatch(r"(?i)true|false|null|nan|inf|[-+.\d].*", value)
    if PLAIN.fullmatch(value) and not kind:
        return value
    return "'{}'".format(value.replace("'", "\\'"))


def _groups(choice: Choice) -> list[str]:
    """The groups of the main file's defaults, then
    those of sweeps, as far as they have options."""
    keys = (key.partition("defaults.")[2] for key in choice.book.of("", "config").keys)
    return [key for key in (*keys, *LAUNCH) if key and choice.book.options(key)]


def _sections(choice: Choice) -> Iterator[tuple[str, dict[str, Any]]]:
    """Titles and ``{dotted key: value}``: nodes
    of the settings are sections of their own."""
    plain = {key: value for key, value in choice.settings.items() if key not in choice.study}
    nodes = {key: value for key, value in plain.items() if isinstance(value, Mapping)}
    groups = _groups(choice)
    yield "run", {key: value for key, value in plain.items() if key not in nodes}
    for key in sorted(nodes, key=lambda key: key in groups):
        leaves = dict(_leaves(nodes[key], f"{key}."))
        if leaves or key in groups:
            yield key, leaves
    yield "study", {key: v for key, v in choice.settings.items() if key in choice.study}


def _leaves(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif key != "_target_":
            yield f"{prefix}{key}", value


def _heading(title: str, mark: str, summary: str) -> list[str]:
    return textwrap.wrap(f"{title}{mark}{summary}" if summary else title, _width())


def _width() -> int:
    return min(max(shutil.get_terminal_size((100, 24)).columns, 60), 120)


def _columns(rows: Iterable[tuple[str, str]], margin: int = MARGIN) -> list[str]:
    """Names in one column, what is said of them in another."""
    pairs = list(rows)
    lines: list[str] = []
    column = min(max((len(name) for name, _ in pairs), default=0), margin) + 2
    for name, text in pairs:
        lines += _beside(name, "", text, column)
    return lines


def _beside(name: str, mark: str, text: str, column: int) -> list[str]:
    """A text in lines of its own column, a name
    before it, or above it where it is too long."""
    parts = textwrap.wrap(text, max(_width() - column - len(mark), 30))
    if not parts or len(name) + 2 > column:
        return [name, *(" " * column + mark + part for part in parts)]
    first = f"{name:{column}}{mark}{parts[0]}"
    return [first, *(" " * column + mark + part for part in parts[1:])]


def _yaml(node: Mapping[str, Any], texts: Mapping[str, str], prefix: str) -> Iterator[str]:
    """A node's lines, each with what is said of its key behind it."""
    pad = "  " * prefix.count(".")
    nodes = {key: value for key, value in node.items() if isinstance(value, Mapping) and value}
    heads = {
        key: pad
        + (
            f"{_yaml_line({key: 0})[:-1].rstrip()}"
            if key in nodes
            else _yaml_line({key: value})
        )
        for key, value in node.items()
    }
    with_text = [head for key, head in heads.items() if texts.get(f"{prefix}{key}")]
    column = min(max(map(len, with_text), default=0), MARGIN) + 2
    before = None
    for key, head in heads.items():
        if not prefix and (key in nodes or before in nodes):
            yield ""
        before = key
        yield from _beside(head, "# ", texts.get(f"{prefix}{key}", ""), column)
        yield from _yaml(nodes.get(key, {}), texts, f"{prefix}{key}.")


def _yaml_line(entry: Mapping[str, Any]) -> str:
    """One key and its value on a line of YAML."""
    return yaml.safe_dump(dict(entry), default_flow_style=True, width=2**30).strip()[1:-1]
