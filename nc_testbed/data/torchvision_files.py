"""The files of an image set in torchvision's
folder layout: found, fetched, or asked for."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nc_testbed.core.errors import BadInput
from nc_testbed.core.space import Space
from nc_testbed.data.idx import dimensions_of, parse_idx, read_file
from nc_testbed.data.rows import Rows, pool_files, relabel


@dataclass(frozen=True)
class ImageSet:
    """One of torchvision's sets in a folder of its layout.

    name: torchvision's class. root: folder that holds the set's own. download: whether
    what is missing may be fetched. split: EMNIST's.
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
        """torchvision's class of this set."""
        # Imported here: it takes seconds, and few sources need it.
        from torchvision import datasets

        return getattr(datasets, self.name)

    def find(self, files: list[str]) -> None:
        """Make sure the files exist, plain or gzipped, fetching them if allowed.

        Raises BadInput (``root`` or ``download``) with what was looked for, where, and
        the two remedies. Nothing is created then: a download goes to a temporary folder
        first.
        """
        if self.download and self._missing(files):
            self._fetch()
        missing = self._missing(files)
        if missing:
            raise BadInput("root", self.root, f"looked for {missing[0]}{self._remedies()}")

    def damage(self, path: Path) -> BadInput:
        """The complaint about a file or folder that cannot be what was published."""
        return BadInput("root", self.root, f"{path} is damaged: delete it and fetch it again")

    def content(self, name: str) -> bytes:
        """The uncompressed bytes of an idx file; a gzipped one is held against
        torchvision's md5.

        No more bytes are read than the file's header says. Raises BadInput for a damaged
        one.
        """
        packed = self.folder / f"{name}.gz"
        path = packed if packed.is_file() else self.folder / name
        try:
            data = read_file(path, dimensions_of(name))
        except (OSError, ValueError) as error:
            raise self.damage(path) from error
        if path is packed:
            self._check_md5(packed)
        return data

    def _check_md5(self, packed: Path) -> None:
        """Raise BadInput for an archive other than
        torchvision's, where it publishes an md5."""
        published = {} if self.split else dict(self.torchvision().resources)
        actual = hashlib.md5(packed.read_bytes(), usedforsecurity=False).hexdigest()
        if actual != published.get(packed.name, actual):
            raise self.damage(packed)

    def _missing(self, files: list[str]) -> list[str]:
        """The files that exist neither plain nor gzipped."""
        # os.path, since Path.is_file raises OSError for names that are too long.
        paths = {name: str(self.folder / name) for name in files}
        return [
            name
            for name, path in paths.items()
            if not os.path.isfile(path) and not os.path.isfile(f"{path}.gz")
        ]

    def _remedies(self) -> str:
        """Where the set was looked for, and the two ways to get it there."""
        return (
            f" of {self.name} in {self.folder}: give data.download=true on a machine with network, "
            "or put the set's files there"
        )

    def _fetch(self) -> None:
        """Let torchvision download the set to a temporary
        folder, then copy it to the root."""
        options = {} if self.split is None else {"split": self.split}
        try:
            with TemporaryDirectory() as folder:
                self.torchvision()(folder, download=True, **options)
                shutil.copytree(folder, self.base, dirs_exist_ok=True)
        except Exception as error:  # networks fail in many ways: each is the same to the user
            reason = " ".join(str(error).split())[:100]
            remedy = f"the download failed ({reason}); looked for files{self._remedies()}"
            raise BadInput("download", "true", remedy) from error


def read_images(images: ImageSet) -> Rows:
    """Rows of a set in MNIST's format: FashionMNIST, KMNIST, EMNIST.

    torchvision checks the archives it fetches and never the files it unpacks: here
    headers and lengths are checked, and the sha256 of every file is recorded. EMNIST
    holds its images transposed (https://github.com/pytorch/vision/issues/8783): they are
    turned upright.
    """
    names = _file_names(images)
    images.find(names)
    record: dict[str, str] = {}
    x, labels, test_x, test_labels = (_array(images, name, record) for name in names)
    values = np.unique(labels)
    consistent = len(x) == len(labels) and len(test_x) == len(test_labels)
    if not consistent or not np.isin(test_labels, values).all():
        raise images.damage(images.folder)
    pooled = pool_files(_flat(images, x), labels, _flat(images, test_x), test_labels)
    return Rows(
        name=images.name.lower() if images.split is None else f"emnist_{images.split}",
        space=Space(x.shape[1:], image=True),
        x=pooled.x,
        y=relabel(pooled.y)[0],
        test_share=pooled.test_share,
        classes=_class_names(images, values),
        record={"files_sha256": record},
    )


def _file_names(images: ImageSet) -> list[str]:
    """The set's four files: training images and labels, test images and labels."""
    test = "t10k" if images.split is None else "test"
    prefix = "" if images.split is None else f"emnist-{images.split}-"
    return [
        f"{prefix}{part}-{kind}-ubyte"
        for part in ("train", test)
        for kind in ("images-idx3", "labels-idx1")
    ]


def _array(images: ImageSet, name: str, record: dict[str, str]) -> np.ndarray:
    """The array in a file, whose sha256 is added to the record."""
    data = images.content(name)
    record[name] = hashlib.sha256(data).hexdigest()
    try:
        return parse_idx(data, dimensions_of(name))
    except ValueError as error:
        raise images.damage(images.folder / name) from error


def _flat(images: ImageSet, x: np.ndarray) -> np.ndarray:
    """Images ``[N, H, W]`` as upright rows ``[N, H W]``."""
    upright = x if images.split is None else x.transpose(0, 2, 1)
    return upright.reshape(len(x), -1)


def _class_names(images: ImageSet, values: np.ndarray) -> tuple[str, ...]:
    """torchvision's names of the labels, the number itself where it has none."""
    published = images.torchvision()
    if images.split is None:
        names = published.classes
    else:
        names = published.classes_split_dict[images.split]
    return tuple(names[value] if value < len(names) else str(value) for value in values)
