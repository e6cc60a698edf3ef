"""Where output may go: below the working directory or the outputs root, or where a path says."""

from __future__ import annotations

import os
from pathlib import Path

from nc_testbed.core.errors import require

LONGEST = 255
"""Bytes of a file's name, on the file systems in use."""


def output(key: str, given: str | Path, *roots: Path) -> Path:
    """The directory that a path names; raises BadInput for one that cannot be meant.

    An absolute path is taken at its word. A relative one must stay below the working directory or
    one of the roots, with every ``..`` and link followed: what escapes is refused.

    >>> output("out", "here/report") == Path.cwd() / "here" / "report"
    True
    """
    text = os.fspath(given)
    require(text.strip() != "" and "\0" not in text, key, given, "give a directory")
    fits = len(os.fsencode(text)) < 4096
    fits = fits and all(len(os.fsencode(part)) <= LONGEST for part in Path(text).parts)
    require(fits, key, given, f"no file system has such long names: {LONGEST} bytes at most")
    path = Path(os.path.abspath(text))
    if not os.path.isabs(text):
        real = Path(os.path.realpath(text))
        inside = any(real.is_relative_to(os.path.realpath(root)) for root in (Path.cwd(), *roots))
        remedy = f"leads out of the working directory, to {real}: give the absolute path to mean it"
        require(inside, key, given, remedy)
    there = next(parent for parent in (path, *path.parents) if os.path.lexists(parent))
    require(there.is_dir(), key, given, f"{there} is no directory: name another")
    return path
