"""A claim as its file states it: a sentence, runs, numbers and their rules."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nc_testbed.config.build import build, nearest
from nc_testbed.core.errors import require
from nc_testbed.core.safe_loading import read_yaml

Size = Literal["quick", "full"]


@dataclass(frozen=True)
class Term:
    """A number per chain: a column of a run at a generation, or the generation of an
    event.

    at: how far into the run, 0 = generation 0, 1 = the last one; the nearest generation
    that was recorded. below: with it the number is the first generation at which the
    column lies below this share of its own generation 0. alarm: with it the number is the
    generation at which the tail alarm on these rows (``rows`` the referee accepts, or
    matched held-out rows, ``hits``) goes off. An event that never happens counts as the
    number of generations: later than any recorded one.
    """

    run: str
    column: str | None = None
    at: float = 1.0
    below: float | None = None
    alarm: Literal["rows", "hits"] | None = None

    def __post_init__(self) -> None:
        is_one_of_two = (self.column is None) != (self.alarm is None)
        require(is_one_of_two, "column", self.column, "give a column, or alarm")
        require(0 <= self.at <= 1, "at", self.at, "give a share of the run, 0 to 1")


@dataclass(frozen=True)
class Bounds:
    """yes: the interval lies between ``above`` and ``below``; no: outside of it."""

    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        is_bounded = self.above is not None or self.below is not None
        require(is_bounded, "above", None, "give above, below or both")


@dataclass(frozen=True)
class ClaimQuestion:
    """One number of a claim, ``(value - minus) / over`` per chain, and what it must be.

    asks: what the number is. share_below: the number is the share of chains that lie
    below this. holds: the region in which the claim holds; null = reported, not judged.
    when: the condition under which this question says that the claim holds, completing
    "holds only ...".
    """

    asks: str
    value: Term
    minus: Term | None = None
    over: Term | float | None = None
    share_below: float | None = None
    holds: Bounds | None = None
    when: str = ""

    def terms(self) -> list[Term]:
        """The terms that are read from runs."""
        return [t for t in (self.value, self.minus, self.over) if isinstance(t, Term)]


@dataclass(frozen=True)
class Panel:
    """Curves of one column for some runs; scale of the values: ``linear`` or ``log``."""

    column: str
    runs: tuple[str, ...]
    scale: Literal["linear", "log"] = "linear"


@dataclass(frozen=True)
class Claim:
    """A sentence, who says it, what it means in numbers, and all that decides it.

    runs: ``{name: "world key=value ..."}``, a world of ``worlds.yaml`` and overrides.
    """

    sentence: str
    source: str
    meaning: str
    runs: dict[str, str]
    questions: tuple[ClaimQuestion, ...]
    panels: tuple[Panel, ...] = field(default=())

    def __post_init__(self) -> None:
        for key, run in self._named_runs():
            require(run in self.runs, key, run, nearest(run, self.runs))
        for question in self.questions:
            has_condition = question.holds is None or bool(question.when)
            require(has_condition, "when", question.asks, "say when the claim holds")

    def _named_runs(self) -> Iterator[tuple[str, str]]:
        """The runs that questions and panels name, with the key under which they do."""
        for i, question in enumerate(self.questions):
            yield from ((f"questions[{i}].run", term.run) for term in question.terms())
        for i, panel in enumerate(self.panels):
            yield from ((f"panels[{i}].runs", run) for run in panel.runs)

    def overrides(self, size: Size, worlds: Mapping[str, Mapping[str, str]]) -> dict[str, list]:
        """What the command line of every run says, by the run's name.

        Raises BadInput for a world that is not there.
        """
        return {
            name: _world_overrides(f"runs.{name}", text, size, worlds)
            for name, text in self.runs.items()
        }


def read_claims(folder: Path, claims: str = "all") -> dict[str, Claim]:
    """The claims of a folder in the order of their files: all of them, or those named
    ``a,b``.

    A claim's name is its file's, less the number in front. Raises BadInput for a name
    that is not there, and for a file that states no claim.
    """
    require(os.path.isdir(folder), "folder", folder, "no such folder")
    files = {re.sub(r"^\d+_", "", path.stem): path for path in sorted(folder.glob("*.yaml"))}
    require(bool(files), "folder", folder, "no claim is there, a .yaml file each")
    names = list(files) if claims == "all" else claims.split(",")
    for name in names:
        require(name in files, "claims", name, nearest(name, ["all", *files]))
    return {name: build(Claim, load_yaml(files[name]), f"{name}.") for name in names}


def load_yaml(path: Path) -> dict[str, Any]:
    """The keys of a YAML file; raises BadInput for one that is not there or has none."""
    node = read_yaml(path, "folder")
    require(isinstance(node, dict), "folder", path, "give key: value")
    return node


def _world_overrides(
    key: str, text: str, size: Size, worlds: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """What a world says, less what the claim changes in it, and these changes."""
    world, *changes = text.split()
    require(world in worlds, key, world, nearest(world, worlds))
    changed = {word.partition("=")[0] for word in changes}
    overrides = worlds[world][size].split()
    return [
        *(word for word in overrides if word.partition("=")[0] not in changed),
        *changes,
    ]
