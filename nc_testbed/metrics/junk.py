"""Images that are of no class, made from real ones: lessons for a referee, and controls."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from nc_testbed.core.rng import Generators

CELLS = 4
"""Tiles per axis of a shuffled mosaic."""
BLUR = 7
"""Pixels per axis that a blurred pixel is the mean of."""


class Images(NamedTuple):
    """Real images ``[B, C, H, W]`` float in [0, 1], classes ``[B]``, and a source of
    numbers."""

    x: Tensor
    y: Tensor
    draws: Generators

    @property
    def is_binary(self) -> bool:
        """Whether every pixel is 0 or 1."""
        return bool(((self.x == 0) | (self.x == 1)).all())

    def uniform(self, *shape: int) -> Tensor:
        """Uniforms on [0, 1)."""
        return self.draws.uniform(*shape)[0]

    def pixels(self) -> Tensor:
        """A uniform number for every pixel."""
        return self.uniform(*self.x.shape)

    def between(self, low: float, high: float) -> Tensor:
        """A uniform number in [low, high) for every image, ``[B, 1, 1, 1]``."""
        return low + (high - low) * self.uniform(len(self.x), 1, 1, 1)

    def others(self) -> Tensor:
        """For every image one of another class, if there is another.

        Images in random order within classes, classes one after the other, moved by a
        third to two thirds of their number; those that meet their own class, as they can
        where one has more than a third of the images, get a random one of another.
        """
        order = (self.y + 0.9 * self.uniform(len(self.x))).argsort()
        step = int(len(self.x) * (1 + float(self.uniform(1))) / 3)
        partner = torch.empty_like(order)
        partner[order] = order.roll(step)
        for i in (self.y[partner] == self.y).nonzero()[:, 0].tolist():
            others = (self.y != self.y[i]).nonzero()[:, 0]
            if len(others):
                partner[i] = others[int(float(self.uniform(1)) * len(others))]
        return self.x[partner]


def white_noise(real: Images, share: float | None = None) -> Tensor:
    """Black images with a share of white pixels, by default 1 to 60%; of grey data every
    second one has grey ones."""
    density = real.between(0.01, 0.6) if share is None else share
    white = (real.pixels() < density).to(real.x.dtype)
    if share is None and not real.is_binary:
        white[::2] *= real.pixels()[::2]
    return white


def flips(real: Images) -> Tensor:
    """5 to 50% of the pixels inverted."""
    flipped = real.pixels() < real.between(0.05, 0.5)
    return torch.where(flipped, 1 - real.x, real.x)


def independent_pixels(real: Images) -> Tensor:
    """Every pixel from an image of its own: all marginals right, nothing else."""
    donors = real.pixels().argsort(0)
    return real.x.gather(0, donors)


def patchwork_rows(real: Images) -> Tensor:
    """The upper half of one class, the lower half of another."""
    x = real.x.clone()
    half = x.shape[2] // 2
    x[:, :, half:] = real.others()[:, :, half:]
    return x


def patchwork_columns(real: Images) -> Tensor:
    """The left half of one class, the right half of another."""
    x = real.x.clone()
    half = x.shape[3] // 2
    x[:, :, :, half:] = real.others()[:, :, :, half:]
    return x


def patchwork_diagonal(real: Images) -> Tensor:
    """One class above the diagonal, another below."""
    above = torch.ones(real.x.shape[2:], dtype=torch.bool, device=real.x.device).triu()
    return torch.where(above, real.x, real.others())


def unions(real: Images) -> Tensor:
    """The lighter of two classes' pixels."""
    return torch.maximum(real.x, real.others())


def intersections(real: Images) -> Tensor:
    """The darker of two classes' pixels."""
    return torch.minimum(real.x, real.others())


def shuffled_pixels(real: Images) -> Tensor:
    """The pixels of an image in random order."""
    flat = real.x.flatten(2)
    order = real.uniform(len(flat), 1, flat.shape[2]).argsort(2)
    return flat.gather(2, order.expand_as(flat)).reshape(real.x.shape)


def inversions(real: Images) -> Tensor:
    """White for black."""
    return 1 - real.x


def blurs(real: Images) -> Tensor:
    """Means over 7x7 pixels; of binary data pixels drawn with that chance."""
    side = min(BLUR, *(2 * (size // 2) + 1 for size in real.x.shape[2:]))
    mean = avg_pool2d(real.x, side, 1, side // 2)[:, :, : real.x.shape[2], : real.x.shape[3]]
    return (real.pixels() < mean).to(mean.dtype) if real.is_binary else mean


def one_tone(real: Images) -> Tensor:
    """All black or all white; of grey data any tone."""
    tone = real.between(0, 1)
    return (tone.round() if real.is_binary else tone).expand(real.x.shape).clone()


def shuffled_tiles(real: Images) -> Tensor:
    """4x4 tiles of an image in random order; a remainder at the edge stays."""
    B, C, H, W = real.x.shape
    h = max(1, H // CELLS)
    w = max(1, W // CELLS)
    down = H // h
    across = W // w
    inner = real.x[:, :, : down * h, : across * w]
    tiles = inner.reshape(B, C, down, h, across, w).transpose(3, 4).reshape(B, C, -1, h * w)
    order = real.uniform(B, 1, down * across, 1).argsort(2)
    tiles = tiles.gather(2, order.expand_as(tiles)).reshape(B, C, down, across, h, w)
    x = real.x.clone()
    x[:, :, : down * h, : across * w] = tiles.transpose(3, 4).reshape(inner.shape)
    return x


def pixel_mixtures(real: Images) -> Tensor:
    """Every pixel from one of two classes, by a coin."""
    return torch.where(real.pixels() < 0.5, real.x, real.others())


def rolls(real: Images) -> Tensor:
    """Moved by a third to two thirds of the height and the width, around the edges."""
    sizes = real.x.shape[2:]
    shares = ((1 + real.uniform(2)) / 3).tolist()
    moves = [int(size * share) for size, share in zip(sizes, shares, strict=True)]
    return real.x.roll(moves, (2, 3))


def rectangles(real: Images) -> Tensor:
    """Two white rectangles on black."""
    B, _, H, W = real.x.shape
    x = torch.zeros_like(real.x)
    for _ in range(2):
        top, edge, height, width = real.uniform(4, B, 1, 1, 1)
        down = torch.arange(H, device=x.device)[:, None] / H
        across = torch.arange(W, device=x.device) / W
        inside = (down >= 0.7 * top) & (down < 0.7 * top + 0.1 + 0.6 * height)
        inside = inside & (across >= 0.7 * edge) & (across < 0.7 * edge + 0.1 + 0.6 * width)
        x = torch.where(inside, 1.0, x)
    return x


Kind = Callable[[Images], Tensor]
LEARNT: dict[str, Kind] = {
    "white_noise": white_noise,
    "flips": flips,
    "independent_pixels": independent_pixels,
    "patchwork_rows": patchwork_rows,
    "patchwork_columns": patchwork_columns,
    "unions": unions,
    "shuffled_pixels": shuffled_pixels,
    "inversions": inversions,
    "blurs": blurs,
    "one_tone": one_tone,
    "shuffled_tiles": shuffled_tiles,
    "pixel_mixtures": pixel_mixtures,
    "rolls": rolls,
}
"""Kinds that a referee learns to refuse."""
UNSEEN: dict[str, Kind] = {
    "intersections": intersections,
    "patchwork_diagonal": patchwork_diagonal,
    "rectangles": rectangles,
}
"""Kinds that no referee learns, for controls."""
IMAGE_JUNK = LEARNT | UNSEEN
OF_TWO_CLASSES = ("patchwork_rows", "patchwork_columns", "unions", "pixel_mixtures")
SMALLEST = 4
"""Fewest pixels along an axis of images that patchworks and tiles change."""


def learnt_kinds(classes: int, height: int, width: int) -> list[str]:
    """The kinds that a referee learns to refuse: none that could be a real image.

    >>> "unions" in learnt_kinds(1, 8, 8), "patchwork_rows" in learnt_kinds(2, 1, 64)
    (False, False)
    """
    refused = set(OF_TWO_CLASSES) if classes < 2 else set()
    if height < SMALLEST:
        refused |= {"patchwork_rows", "shuffled_tiles", "rolls"}
    if width < SMALLEST:
        refused |= {"patchwork_columns", "shuffled_tiles", "rolls"}
    return [name for name in LEARNT if name not in refused]
