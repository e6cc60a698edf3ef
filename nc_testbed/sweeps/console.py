"""What a sweep says while its jobs run, wherever they run, and when it is done."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import TextIO

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nc_testbed.sweeps.job_status import ENDED, Word, Words
from nc_testbed.sweeps.planned import Sweep

EVERY = 0.3
"""Seconds between two looks at what jobs have said."""


class SweepConsole:
    """One line for every job that ends, and on a terminal a progress bar below them.

    total: jobs; complete: how many of them were made before. Use it as a context manager.
    """

    def __init__(self, words: Words, start: str, total: int, complete: int):
        self.ended: dict[int, Word] = {}
        self.left: dict[int, Word] = {}
        self._words = words
        self._start = start
        self._total = total
        self._complete = complete
        self._since = time.monotonic()
        self._stream: TextIO = sys.stdout  # what jobs in this process redirect later
        terminal = Terminal(file=self._stream)
        shows = self._stream.isatty() and not terminal.is_dumb_terminal
        self._progress = Progress(
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=terminal,
            disable=not shows,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._terminal = terminal if shows else None
        self._task = self._progress.add_task("", total=total)
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> SweepConsole:
        self._progress.start()
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
        self._look()
        self._progress.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the sweep began."""
        return time.monotonic() - self._since

    def say(self, line: str) -> None:
        """Print a line, above the progress bar if there is one."""
        if self._terminal is None:
            print(line, file=self._stream, flush=True)
        else:
            self._terminal.print(line, markup=False, highlight=False, soft_wrap=True)

    def _follow(self) -> None:
        while not self._over.wait(EVERY):
            self._look()

    def _look(self) -> None:
        """Print a line for every job that has ended since the last look."""
        heard = list(self._words.heard(self._start, self.ended))
        self.left = {word.number: word for word in heard if word.state not in ENDED}
        for word in heard:
            if word.state in ENDED:
                self.ended[word.number] = word
                self.say(self._line(word))
        now = ", ".join(word.label or "run" for word in list(self.left.values())[:3])
        self._progress.update(self._task, completed=len(self.ended), description=now)

    def _line(self, word: Word) -> str:
        count = f"{word.number + 1}/{self._total}"
        text = {"there": f"already there  {word.text}", "failed": f"FAILED  {word.text}"}
        parts = [count, word.label, text.get(word.state, word.text)]
        if word.value is not None:
            parts.append(f"objective {word.value:.6g}")
        if word.state != "there":
            parts.append(f"{word.seconds:.1f} s")
        return "  ".join([*filter(None, parts), *self._time_left()])

    def _time_left(self) -> list[str]:
        """An estimate by the rate of the new jobs; those
        that were there before take no time."""
        new = sum(word.state != "there" for word in self.ended.values())
        before = max(self._complete, len(self.ended) - new)
        missing = self._total - before - new
        if not new or missing <= 0:
            return []
        return [f"{duration(self.seconds / new * missing)} left"]


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(59), duration(90), duration(7200), duration(200_000)
    ('59 s', '1.5 min', '2 h', '2.3 days')
    """
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.0f} s"


def closing(console: SweepConsole, sweep: Sweep) -> list[str]:
    """The lines that end a sweep: counts, the best of a search or else its policies
    against each other, and every job that is not there."""
    ended = console.ended.values()
    total = sweep.total
    counts = {state: sum(word.state == state for word in ended) for state in ENDED}
    counts["not finished"] = total - len(console.ended)
    names = {"done": "made", "there": "already there"}
    summary = ", ".join(f"{n} {names.get(state, state)}" for state, n in counts.items() if n)
    runs = f"{total} run{'s' * (total != 1)}"
    folder = quote(str(sweep.folder))
    lines = [f"{runs} in {folder}: {summary}; {duration(console.seconds)}"]
    valued = [word for word in ended if word.value is not None]
    if sweep.direction and valued:
        pick = max if sweep.direction == "maximize" else min
        best = pick(valued, key=lambda word: word.value or 0.0)
        lines.append(
            f"best: {best.label}: objective {best.value:.6g}  {best.text} ({best.path})"
        )
    if not sweep.direction:
        lines += _policy_differences(console.ended, sweep)
    for word in (*ended, *console.left.values()):
        if word.state == "failed":
            lines.append(
                f"failed: {word.label or word.number}: {word.text} (see {word.path}/log.txt)"
            )
        elif word.state not in ENDED:
            lines.append(f"not finished: {word.label or word.number} ({word.path})")
    return lines


def _policy_differences(ended: Mapping[int, Word], sweep: Sweep) -> list[str]:
    """Policies against each other within chains, of the jobs that are there."""
    # Arrow and SciPy: only where a sweep has come to its end.
    from nc_testbed.sweeps.policy_differences import MadeRun, difference_lines

    made_runs = [
        MadeRun(Path(word.path), sweep.jobs[number].config)
        for number, word in sorted(ended.items())
        if word.state in ("done", "there")
    ]
    return difference_lines(made_runs)
