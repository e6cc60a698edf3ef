"""The dashboard of a run for as long as it can be written: the record does not depend on
it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Any

from nc_testbed.core.interfaces import Generation
from nc_testbed.view.tensorboard import Dashboard


class View:
    """A dashboard whose errors are said once, in one line, and end nothing but itself.

    make: opens the dashboard. run: the run's directory. Use it as a context manager:
    TensorBoard writes on a thread of its own, whose errors are kept from the screen until
    then.
    """

    def __init__(self, make: Callable[[], Dashboard], run: Path):
        self._make = make
        self._run = run
        self._board = None

    def __enter__(self) -> View:
        self._hook = threading.excepthook
        threading.excepthook = self._on_thread
        self._board = self._try(self._make)
        return self

    def __exit__(self, *_: object) -> None:
        threading.excepthook = self._hook

    def generation(self, generation: Generation) -> None:
        """Add a generation that has just been measured."""
        if self._board is not None:
            self._try(self._board.generation, generation)

    def close(self) -> None:
        """Mark the run as finished."""
        if self._board is not None:
            self._try(self._board.close)

    def _try(self, action: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except Exception as error:
            self._board = None
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            remedy = f"python scripts/rebuild_dashboard.py {quote(str(self._run))}"
            line = f"the run goes on without TensorBoard's view ({reason}); make it later: {remedy}"
            print(f"nc_testbed: {line}", file=sys.stderr, flush=True)

    def _on_thread(self, arguments: threading.ExceptHookArgs) -> None:
        if not isinstance(arguments.exc_value, OSError):
            self._hook(arguments)
