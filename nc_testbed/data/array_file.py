"""Arrays in a user's file, looked at before they are read."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from nc_testbed.core.errors import BadInput, require

LIMIT = 4 * 2**30
"""Largest array accepted, bytes as stored."""


class Member(NamedTuple):
    """One array in a file: how to open it, and the bytes it can hold with its header."""

    open: Callable[[], IO[bytes]]
    bytes: int


class Header(NamedTuple):
    """Shape and dtype of an array, as its file declares them."""

    shape: tuple[int, ...]
    dtype: np.dtype


@dataclass(frozen=True)
class ArrayFile:
    """A user's ``.npz`` (x, optional y) or ``.npy`` (x alone); no pickle is ever read.

    key: what the path is called in complaints. Whatever is wrong with the file is raised
    as BadInput in one line.
    """

    key: str
    path: str

    @contextmanager
    def members(self) -> Generator[dict[str, Member]]:
        """The arrays in the file by name: x, and y where there is one.

        Errors of any kind inside the context are the file's fault.
        """
        path = Path(os.path.expanduser(self.path))
        remedy = "no such file: give an existing .npz or .npy"
        self.refuse_unless(os.path.isfile(path), remedy)  # Path.is_file may raise
        try:
            with ExitStack() as opened:
                members = self._open(path, opened)
                self.refuse_unless(
                    "x" in members and set(members) <= {"x", "y"},
                    f"holds {', '.join(sorted(members)) or 'nothing'}, not x and at most y",
                )
                yield members
        except BadInput:
            raise
        except Exception as error:  # a hostile file may raise anything: it is bad input
            remedy = f"not a readable .npz or .npy ({' '.join(str(error).split())[:120]})"
            raise BadInput(
                self.key, self.path, f"{remedy}: write it with numpy.save"
            ) from error

    def header(self, name: str, member: Member) -> Header:
        """The member's header, refused unless the member is
        long enough for what it says."""
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        with member.open() as stream:
            version = npy.read_magic(stream)
            self.refuse_unless(version in readers, f"{name} has an npy version {version}")
            shape, _, dtype = readers[version](stream)
            start = stream.tell()
        self.refuse_unless(
            not dtype.hasobject, f"{name} holds Python objects, which are unsafe"
        )
        size = math.prod(shape) * max(dtype.itemsize, 1)
        self.refuse_unless(size <= LIMIT, f"{name} has {size / 2**30:.3g} GiB, the limit is 4")
        self.refuse_unless(member.bytes >= start + size, f"{name} is truncated")
        return Header(shape, dtype)

    def refuse_unless(self, ok: bool, remedy: str) -> None:
        """Raise BadInput unless the file is in order."""
        require(ok, self.key, self.path, remedy)

    def refuse_infinite(self, x: np.ndarray) -> None:
        """Raise BadInput where a row of vectors ``[..., D]`` is not finite."""
        bad = int((~np.isfinite(x).all(-1)).sum())
        self.refuse_unless(bad == 0, f"x has NaN or infinity in {bad} rows: remove them")

    def _open(self, path: Path, opened: ExitStack) -> dict[str, Member]:
        """The arrays in the file by name; a zip stays open as long as ``opened``."""
        if path.suffix == ".npy":
            return {"x": Member(lambda: open(path, "rb"), path.stat().st_size)}
        self.refuse_unless(path.suffix == ".npz", "the name must end in .npz or .npy")
        archive = opened.enter_context(zipfile.ZipFile(path))
        return {
            info.filename.removesuffix(".npy"): Member(
                lambda info=info: archive.open(info), info.file_size
            )
            for info in archive.infolist()
        }


def content(member: Member) -> np.ndarray:
    """The array itself, without pickle."""
    with member.open() as stream:
        return npy.read_array(stream, allow_pickle=False)
