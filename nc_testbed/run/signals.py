"""Signals that end a run: it leaves with every finished generation in its record."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

from nc_testbed.core.interfaces import Progress

REQUEUE = 85
"""Exit status that asks a batch script to start the run again."""
STATUS: dict[int, int] = {
    signal.SIGINT: 130,
    signal.SIGTERM: 143,
    signal.SIGUSR1: REQUEUE,
    signal.SIGUSR2: REQUEUE,
}
"""What a run that is ended by a signal exits with: 128 + its number, or REQUEUE."""
PATIENCE = 7.0
"""Seconds from a signal until a run leaves that is where nothing tells of progress."""
SHOW_CURSOR = "\x1b[?25h"


class Stopped(SystemExit):
    """A signal has asked the run to end; it passes through all that handles errors."""


class Signals:
    """While it is entered, Ctrl-C, SIGTERM, SIGUSR1 and SIGUSR2 end the run in order.

    The first signal is noted: :meth:`check` and :meth:`watch` then raise
    :class:`Stopped`, on whatever thread they are called, so that the generation in
    progress is given up; a thread of its own ends the process after ``patience`` seconds
    where neither is called. What is written under :attr:`writing` is finished first. A
    second Ctrl-C ends the process at once.

    farewell: called with the signal's name once, before the run leaves. Only the main
    thread can handle signals, elsewhere nothing is done; a signal that is ignored
    (nohup) or that someone else handles stays as it is, but whoever handles SIGUSR1 or
    SIGUSR2 (submitit, which requeues its job) is called after the farewell.
    """

    def __init__(self, farewell: Callable[[str], None], patience: float = PATIENCE):
        self.writing = threading.RLock()
        self._farewell = farewell
        self._patience = patience
        self._number: int | None = None
        self._since = 0.0
        self._before: dict[int, Any] = {}
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number, status in STATUS.items():
                before = signal.getsignal(number)
                free = before in (signal.SIG_DFL, signal.default_int_handler)
                if free or (status == REQUEUE and callable(before)):
                    self._before[number] = signal.signal(number, self._note)
            self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        if self._watcher.is_alive():
            self._watcher.join(1)  # or it could meet the end of the interpreter
        try:
            if self._number is not None and (kind is None or issubclass(kind, Stopped)):
                self._leave(self._number)
        finally:
            for number, before in self._before.items():
                signal.signal(number, before)

    def check(self) -> None:
        """Raise :class:`Stopped` if a signal has asked for it."""
        if self._number is not None:
            raise Stopped(STATUS[self._number])

    def watch(self, progress: Progress) -> Progress:
        """The same progress, which ends a fit when a signal asks for it."""

        def step(done: int, total: int) -> None:
            self.check()
            progress(done, total)

        return step

    def _note(self, number: int, _: FrameType | None) -> None:
        if self._number is None:
            self._number = number
            self._since = time.monotonic()
            again = "; Ctrl-C again leaves at once" if number == signal.SIGINT else ""
            _tell(f"nc_testbed: {signal.Signals(number).name}, leaving{again}\n")
        elif number == signal.SIGINT:
            _quit(STATUS[signal.SIGINT])

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            if self._number is not None and time.monotonic() > self._since + self._patience:
                try:
                    self._leave(self._number)
                finally:
                    _quit(STATUS[self._number])

    def _leave(self, number: int) -> NoReturn:
        with self.writing:
            self._farewell(signal.Signals(number).name)
            other = self._before.get(number)
            if STATUS[number] == REQUEUE and callable(other):
                other(number, None)
        raise Stopped(STATUS[number])


def _tell(text: str) -> None:
    """Write to standard error without its buffer, which the
    signal may have found in use."""
    with suppress(OSError):
        os.write(2, text.encode())


def _quit(status: int) -> NoReturn:
    """End the process now; the record is whole whenever that is."""
    if sys.stdout.isatty():
        _tell(f"{SHOW_CURSOR}\n")  # the progress line has hidden it
    os._exit(status)
