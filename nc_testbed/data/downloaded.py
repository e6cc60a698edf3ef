"""Image sets that torchvision knows how to fetch, looked for on disk first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from nc_testbed.core.space import Space
from nc_testbed.data.ranges import check_path
from nc_testbed.data.real_source import RealSource
from nc_testbed.data.rows import Rows, pool_files
from nc_testbed.data.torchvision_files import ImageSet, read_images

ROOT = "~/.cache/nc_testbed/torchvision"
"""Where files are looked for unless the settings say otherwise (torchvision's layout)."""


@dataclass(frozen=True, kw_only=True)
class Downloaded(RealSource):
    """Settings common to the sets that torchvision fetches.

    root: folder in torchvision's layout. download: whether to fetch what is not in it.
    """

    root: str = ROOT
    download: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_path("root", self.root, "give the folder that torchvision's files are in")


@final
@dataclass(frozen=True, kw_only=True)
class FashionMnist(Downloaded):
    """Fashion-MNIST: ten kinds of clothes, 60,000 and 10,000 images of 28x28 grey pixels.

    root: folder that holds ``FashionMNIST/raw``. download: whether to fetch what is
    missing. Source: H. Xiao, K. Rasul, R. Vollgraf 2017,
    https://arxiv.org/abs/1708.07747, MIT.
    """

    def read(self) -> Rows:
        """All rows, from disk or the network."""
        return read_images(ImageSet("FashionMNIST", self.root, self.download))


@final
@dataclass(frozen=True, kw_only=True)
class Kmnist(Downloaded):
    """Kuzushiji-MNIST: ten cursive Japanese characters, 60,000 and 10,000 images of 28x28
    pixels.

    root: folder that holds ``KMNIST/raw``. download: whether to fetch what is missing.
    Source: T. Clanuwat et al. 2018, https://arxiv.org/abs/1812.01718, CC BY-SA 4.0.
    """

    def read(self) -> Rows:
        """All rows, from disk or the network."""
        return read_images(ImageSet("KMNIST", self.root, self.download))


@final
@dataclass(frozen=True, kw_only=True)
class Emnist(Downloaded):
    """EMNIST: handwritten letters and digits, 28x28 grey pixels, turned upright.

    split: ``balanced`` (47 classes, 2,400 rows each), ``digits``, ``letters``, ``mnist``,
    ``byclass`` or ``bymerge``. root: folder that holds ``EMNIST/raw``. download: whether
    to fetch what is missing (560 MB). Source: G. Cohen et al. 2017,
    https://arxiv.org/abs/1702.05373.
    """

    split: Literal["balanced", "byclass", "bymerge", "digits", "letters", "mnist"] = "balanced"

    def read(self) -> Rows:
        """All rows, from disk or the network; the files hold every image transposed."""
        return read_images(ImageSet("EMNIST", self.root, self.download, self.split))


@final
@dataclass(frozen=True, kw_only=True)
class Cifar10(Downloaded):
    """CIFAR-10: ten kinds of objects, 50,000 and 10,000 images of 3x32x32 pixels,
    channel-first.

    root: folder that holds ``cifar-10-batches-py``. download: whether to fetch what is
    missing. The batches are pickles: torchvision opens them only if their md5 is the
    published one. Source: A. Krizhevsky 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html.
    """

    def read(self) -> Rows:
        """All rows, from disk or the network."""
        images = ImageSet("CIFAR10", self.root, self.download)
        published = images.torchvision()
        meta = [[published.meta["filename"], ""]]
        files = [*published.train_list, *published.test_list, *meta]
        images.find([name for name, _ in files])
        try:
            train = published(images.base, train=True)
            test = published(images.base, train=False)
        except RuntimeError as error:
            raise images.damage(images.folder) from error
        pooled = pool_files(
            _channel_first(train.data),
            np.asarray(train.targets, dtype=np.int64),
            _channel_first(test.data),
            np.asarray(test.targets, dtype=np.int64),
        )
        return Rows(
            name="cifar10",
            space=Space((3, 32, 32), image=True),
            x=pooled.x,
            y=pooled.y,
            test_share=pooled.test_share,
            classes=tuple(train.classes),
        )


def _channel_first(images: np.ndarray) -> np.ndarray:
    """Images ``[N, H, W, C]`` as flat rows ``[N, C H W]``."""
    return np.ascontiguousarray(np.moveaxis(images, 3, 1)).reshape(len(images), -1)
