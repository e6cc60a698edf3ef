"""One writer per directory."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from nc_testbed.core.errors import BadInput

NAME = "lock"


class InUse(BadInput):
    """Another process holds the lock of a directory."""


@contextmanager
def run_lock(run: Path, key: str = "hydra.run.dir") -> Generator[None]:
    """A run's directory, made if need be, with its lock held; the kernel frees it when
    the process ends, however it ends.

    Raises InUse that says who holds it, by process number and host.
    """
    run.mkdir(parents=True, exist_ok=True)
    with open(run / NAME, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            remedy = f"{holder} is writing there; wait for its end, or name another directory"
            raise InUse(key, run, remedy) from None
        file.truncate(0)
        file.write(f"pid {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
