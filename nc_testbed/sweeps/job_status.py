"""What the jobs of a sweep say of themselves: a small
file each, whichever process they run in."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = ".jobs"
"""Beside the directories of the jobs."""
START = "start.json"
ENDED = ("done", "there", "failed")
"""The last words of a job: it has been made, it was
there before, or it could not be made."""


@dataclass(frozen=True)
class Word:
    """One job's state.

    number: from 0. state: ``running``, ``waiting`` (another process makes the same run),
    ``stopped`` (by a signal), or one of ENDED. label: what is swept over. path: its
    directory. seconds: that it took. text: the headline figures, or what went wrong.
    value: the objective. start: which start of the sweep it belongs to.
    """

    number: int
    state: str
    label: str
    path: str
    seconds: float = 0.0
    text: str = ""
    value: float | None = None
    start: str = ""


class Words:
    """The words of the jobs of one sweep, in its folder."""

    def __init__(self, sweep: Path):
        self.folder = sweep / FOLDER

    def begin(self, start: str) -> None:
        """Forget what the jobs of earlier starts have said."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        _write(self.folder / START, {"start": start})

    @property
    def start(self) -> str:
        """Which start of the sweep this is; "" where nobody has begun one here."""
        try:
            return json.loads((self.folder / START).read_bytes())["start"]
        except (OSError, ValueError, KeyError):
            return ""

    def say(self, word: Word) -> None:
        """Leave the word of a job in place of the one before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / f"{word.number:05d}.json", dataclasses.asdict(word))

    def heard(self, start: str, skip: Container[int] = ()) -> Iterator[Word]:
        """The last word of every job of this start that has said one, by number, less
        those to skip."""
        for file in sorted(self.folder.glob("[0-9]*.json")):
            if int(file.stem) in skip:
                continue
            try:
                word = Word(**json.loads(file.read_bytes()))
            except (OSError, ValueError, TypeError):  # one that is being forgotten
                continue
            if word.start == start:
                yield word


def _write(file: Path, content: object) -> None:
    temporary = file.with_name(f"{file.name}.tmp-{os.getpid()}")
    temporary.write_text(json.dumps(content))
    temporary.rename(file)
