"""Where torchvision's files are, how they get there, and what to say when they are not there."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nc_testbed.core.errors import BadInput
from nc_testbed.core.space import Space
from nc_testbed.data.idx import LIMIT, parse_idx, read_idx
from nc_testbed.data.rows import Rows, relabelled


@dataclass(frozen=True)
class Place:
    """One of torchvision's sets in a folder of its layout.

    name: torchvision's class. root: folder that holds the set's own. download: whether what is
    missing may be fetched. split: EMNIST's.
    """

    name: str
    root: str
    download: bool
    split: str | None = None

    @property
    def base(self) -> Path:
        """The root, with ``~`` expanded."""
        return Path(os.path.expanduser(self.root))

    @property
    def folder(self) -> Path:
        """The folder with the unpacked files."""
        if self.name == "CIFAR10":
            return self.base / "cifar-10-batches-py"
        return self.base / self.name / "raw"

    def torchvision(self) -> Any:
        """torchvision's class; imported here, for it takes seconds that few sources need."""
        from torchvision import datasets

        return getattr(datasets, self.name)

    def find(self, files: list[str]) -> None:
        """Make sure the files are there, plain or gzipped, fetching them if allowed.

        Raises BadInput (``root`` or ``download``) with what was looked for, where, and the two
        remedies. Nothing is created then: a download goes to a temporary folder first.
        """
        if self.download and self._missing(files):
            self._fetch()
        missing = self._missing(files)
        if missing:
            raise BadInput("root", self.root, f"looked for {missing[0]}{self._remedies()}")

    def damaged(self, path: Path) -> BadInput:
        """The complaint about a file that is there but cannot be what was published."""
        return BadInput("root", self.root, f"{path} is damaged: delete it and fetch it again")

    def content(self, name: str, dimensions: int) -> bytes:
        """The uncompressed bytes of an idx file; a gzipped one is held against torchvision's md5.

        No more bytes are read than the file's header says. Raises BadInput for a damaged one.
        """
        packed = self.folder / f"{name}.gz"
        path = packed if packed.is_file() else self.folder / name
        try:
            if path.stat().st_size > LIMIT:
                raise self.damaged(path)
            if path is packed:
                self._check_published(packed)
            with gzip.open(path) if path is packed else open(path, "rb") as stream:
                return read_idx(stream, dimensions)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise self.damaged(path) from error

    def _check_published(self, packed: Path) -> None:
        published = {} if self.split else dict(self.torchvision().resources)
        found = hashlib.md5(packed.read_bytes(), usedforsecurity=False).hexdigest()
        if found != published.get(packed.name, found):
            raise self.damaged(packed)

    def _missing(self, files: list[str]) -> list[str]:
        def there(name: str) -> bool:
            path = str(self.folder / name)
            return os.path.isfile(path) or os.path.isfile(f"{path}.gz")

        return [name for name in files if not there(name)]

    def _remedies(self) -> str:
        return (
            f" of {self.name} in {self.folder}: give data.download=true on a machine with network, "
            "or put the set's files there"
        )

    def _fetch(self) -> None:
        options = {} if self.split is None else {"split": self.split}
        try:
            with TemporaryDirectory() as folder:
                self.torchvision()(folder, download=True, **options)
                shutil.copytree(folder, self.base, dirs_exist_ok=True)
        except Exception as error:  # networks fail in many ways: each is the same to the user
            reason = " ".join(str(error).split())[:100]
            remedy = f"the download failed ({reason}); looked for files{self._remedies()}"
            raise BadInput("download", "true", remedy) from error


def idx_rows(place: Place) -> Rows:
    """Rows of a set in MNIST's format: FashionMNIST, KMNIST, EMNIST.

    torchvision checks the archives it fetches and never the files it unpacks: here headers and
    lengths are checked, and the sha256 of every file is recorded. EMNIST holds its images
    transposed (https://github.com/pytorch/vision/issues/8783): they are turned upright.
    """
    train, test = ("train", "t10k") if place.split is None else ("train", "test")
    prefix = "" if place.split is None else f"emnist-{place.split}-"
    names = [
        f"{prefix}{part}-{kind}-ubyte"
        for part in (train, test)
        for kind in ("images-idx3", "labels-idx1")
    ]
    place.find(names)
    record: dict[str, str] = {}
    images, labels, test_images, test_labels = (_array(place, name, record) for name in names)
    y, values = relabelled(labels)
    whole = len(images) == len(labels) and len(test_images) == len(test_labels)
    if not whole or not np.isin(test_labels, values).all():
        raise place.damaged(place.folder)
    return Rows(
        name=place.name.lower() if place.split is None else f"emnist_{place.split}",
        space=Space(images.shape[1:], image=True),
        x=_flat(place, images),
        y=y,
        test_x=_flat(place, test_images),
        test_y=np.searchsorted(values, test_labels).astype(np.int64),
        classes=_names(place, values),
        record={"files_sha256": record},
    )


def _array(place: Place, name: str, record: dict[str, str]) -> np.ndarray:
    dimensions = 3 if "idx3" in name else 1
    data = place.content(name, dimensions)
    record[name] = hashlib.sha256(data).hexdigest()
    try:
        return parse_idx(data, dimensions)
    except ValueError as error:
        raise place.damaged(place.folder / name) from error


def _flat(place: Place, images: np.ndarray) -> np.ndarray:
    upright = images if place.split is None else images.transpose(0, 2, 1)
    return upright.reshape(len(images), -1)


def _names(place: Place, values: np.ndarray) -> tuple[str, ...]:
    known = place.torchvision()
    names = known.classes if place.split is None else known.classes_split_dict[place.split]
    return tuple(names[value] if value < len(names) else str(value) for value in values)
