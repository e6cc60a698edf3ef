"""Image sets that torchvision knows how to fetch, found on disk first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from nc_testbed.core.space import Space
from nc_testbed.data.checks import check_choice, check_path
from nc_testbed.data.place import Place, idx_rows
from nc_testbed.data.real import RealSource, check_common
from nc_testbed.data.rows import Rows

ROOT = "~/.cache/nc_testbed/torchvision"
"""Where files are looked for unless the settings say otherwise (torchvision's layout)."""

EMNIST_SPLITS = ("balanced", "byclass", "bymerge", "digits", "letters", "mnist")


@final
@dataclass(frozen=True, kw_only=True)
class FashionMnist(RealSource):
    """Fashion-MNIST: ten kinds of clothes, 60,000 and 10,000 images of 28x28 grey pixels.

    root: folder that holds ``FashionMNIST/raw``. download: whether to fetch what is not there.
    Source: H. Xiao, K. Rasul, R. Vollgraf 2017, https://arxiv.org/abs/1708.07747, MIT.
    """

    root: str = ROOT
    download: bool = False

    def __post_init__(self) -> None:
        check_common(self)
        check_place(self.root)

    def read(self) -> Rows:
        """All rows, from disk or the network."""
        return idx_rows(Place("FashionMNIST", self.root, self.download))


@final
@dataclass(frozen=True, kw_only=True)
class Kmnist(RealSource):
    """Kuzushiji-MNIST: ten cursive Japanese characters, 60,000 and 10,000 images of 28x28 pixels.

    root: folder that holds ``KMNIST/raw``. download: whether to fetch what is not there.
    Source: T. Clanuwat et al. 2018, https://arxiv.org/abs/1812.01718, CC BY-SA 4.0.
    """

    root: str = ROOT
    download: bool = False

    def __post_init__(self) -> None:
        check_common(self)
        check_place(self.root)

    def read(self) -> Rows:
        """All rows, from disk or the network."""
        return idx_rows(Place("KMNIST", self.root, self.download))


@final
@dataclass(frozen=True, kw_only=True)
class Emnist(RealSource):
    """EMNIST: handwritten letters and digits, 28x28 grey pixels, turned upright.

    split: ``balanced`` (47 classes, 2,400 rows each), ``digits``, ``letters``, ``mnist``,
    ``byclass`` or ``bymerge``. root: folder that holds ``EMNIST/raw``. download: whether to fetch
    what is not there (560 MB). Source: G. Cohen et al. 2017, https://arxiv.org/abs/1702.05373.
    """

    split: str = "balanced"
    root: str = ROOT
    download: bool = False

    def __post_init__(self) -> None:
        check_common(self)
        check_choice("split", self.split, EMNIST_SPLITS)
        check_place(self.root)

    def read(self) -> Rows:
        """All rows, from disk or the network; the files hold every image transposed."""
        return idx_rows(Place("EMNIST", self.root, self.download, self.split))


@final
@dataclass(frozen=True, kw_only=True)
class Cifar10(RealSource):
    """CIFAR-10: ten kinds of objects, 50,000 and 10,000 images of 3x32x32 pixels, channel-first.

    root: folder that holds ``cifar-10-batches-py``. download: whether to fetch what is not there.
    The batches are pickles: torchvision opens them only if their md5 is the published one.
    Source: A. Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
    """

    root: str = ROOT
    download: bool = False

    def __post_init__(self) -> None:
        check_common(self)
        check_place(self.root)

    def read(self) -> Rows:
        """All rows, from disk or the network."""
        place = Place("CIFAR10", self.root, self.download)
        known = place.torchvision()
        files = [known.train_list, known.test_list, [[known.meta["filename"], ""]]]
        place.find([name for group in files for name, _ in group])
        try:
            train, test = known(place.base, train=True), known(place.base, train=False)
        except RuntimeError as error:
            raise place.damaged(place.folder) from error
        return Rows(
            name="cifar10",
            space=Space((3, 32, 32), image=True),
            x=_channel_first(train.data),
            y=np.asarray(train.targets, dtype=np.int64),
            test_x=_channel_first(test.data),
            test_y=np.asarray(test.targets, dtype=np.int64),
            classes=tuple(train.classes),
        )


def _channel_first(images: np.ndarray) -> np.ndarray:
    """Images ``[N, H, W, C]`` as flat rows ``[N, C H W]``."""
    return np.ascontiguousarray(np.moveaxis(images, 3, 1)).reshape(len(images), -1)


def check_place(root: Any) -> None:
    """Raise BadInput unless ``root`` is a path."""
    check_path("root", root, "give the folder that torchvision's files are in")
