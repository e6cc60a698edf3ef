"""What keeps a run from going on, said in one line: the disk is full or refuses, memory
ran out."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote

from nc_testbed.core.machine import RAN_OUT, ran_out

REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room within the quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EACCES: "allow writing there",
    errno.EPERM: "allow writing there",
    errno.EROFS: "make the file system writable",
    errno.ENOENT: "put the directory back",
    errno.ENOTDIR: "move away the file that is where a directory should be",
    errno.EEXIST: "move away the file that is where a directory should be",
    errno.EISDIR: "move away the directory that is where a file should be",
    errno.EIO: "look after the disk",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}
"""What to do about an error of the system before a run goes on."""


class CannotWrite(OSError):
    """The system's refusal to write ``filename``, which takes ``need`` bytes."""

    def __init__(self, error: OSError, path: Path, need: int):
        super().__init__(error.errno, error.strerror, str(path))
        self.need = need


@contextmanager
def writing(path: Path, need: int, temporary: Path) -> Generator[None]:
    """Raise :class:`CannotWrite` for what keeps ``path`` of ``need`` bytes from being
    written.

    temporary: the file or folder that would have become it; it is removed. Where two are
    nested the outer one speaks, since it knows what all of it needs.
    """
    try:
        yield
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CannotWrite(error, path, need) from error
        raise


@contextmanager
def exit_on_io_error(run: Path) -> Generator[None]:
    """End the process with one line and status 1 where the system refuses to write the
    run, or has no memory for it."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as error:
        if ran_out(error):
            raise SystemExit(f"nc_testbed: {out_of_memory_line(error, run)}") from error
        if not isinstance(error, OSError) or error.errno not in REMEDIES:
            raise
        raise SystemExit(f"nc_testbed: {io_error_line(error, run)}") from error


def io_error_line(error: OSError, run: Path) -> str:
    """Where and why, need and free space, and what to do about it.

    >>> error = OSError(errno.EROFS, "Read-only file system", "/x/y")
    >>> io_error_line(error, Path("x")).split(" (")[0]
    '/x/y: Read-only file system'
    """
    path = Path(str(error.filename or run))
    wants = f"needs {readable_size(error.need)}, " if isinstance(error, CannotWrite) else ""
    free = readable_size(shutil.disk_usage(nearest_existing(path)).free)
    remedy = REMEDIES.get(error.errno or 0, "see to it")
    return (
        f"{path}: {error.strerror} ({wants}{free} free); {remedy}, then {resume_command(run)}"
    )


def out_of_memory_line(error: BaseException, run: Path) -> str:
    """How memory ran out, and what to do about it.

    >>> out_of_memory_line(MemoryError("none\\nleft"), Path("x")).split("; ")[0]
    'x: memory ran out: none'
    """
    first = (str(error) or type(error).__name__).splitlines()[0]
    message = first if first.startswith(RAN_OUT) else f"{RAN_OUT}: {first}"
    remedy = "free some, or add compute.memory=BYTES for smaller blocks, then"
    other = "a smaller model, n or evaluation.rows makes another run"
    return f"{run}: {message}; {remedy} {resume_command(run)}; {other}"


def resume_command(run: Path) -> str:
    """The command that goes on with a run.

    >>> resume_command(Path("outputs/a b"))
    "go on with: python scripts/train.py resume='outputs/a b'"
    """
    return f"go on with: python scripts/train.py resume={quote(str(run))}"


def nearest_existing(path: Path) -> Path:
    """The path itself if it is there, else the nearest of its parents that is.

    >>> nearest_existing(Path("/nowhere/at/all"))
    PosixPath('/')
    """
    path = path.absolute()
    return next(p for p in (path, *path.parents) if p.exists())


def readable_size(count: float) -> str:
    """A number of bytes for people.

    >>> readable_size(999), readable_size(5_000_000)
    ('999 bytes', '4.77 MiB')
    """
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 2**power:
            return f"{count / 2**power:.3g} {unit}"
    return f"{count:.0f} bytes"
