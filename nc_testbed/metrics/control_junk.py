"""Junk that is mixed into controls: rows that no law of real rows makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nc_testbed.core.rng import Generators
from nc_testbed.core.space import Space
from nc_testbed.metrics.junk import IMAGE_JUNK, Images

Junk = Callable[[Tensor, Tensor | None, Generators], Tensor]
"""Junk ``[B, D]`` of stored rows ``[B, D]`` with classes ``[B]`` or None."""
FAR = 6.0
"""How far off a far vector lies, in standard deviations of every column."""
WIDE = 3.0
"""How wide noise vectors are, in standard deviations of every column."""


IMAGE_KINDS = {
    "patchwork": "patchwork_rows",
    "union": "unions",
    "inverted": "inversions",
    "far": "rectangles",
    "noise": "white_noise",
}
"""Junk of images by its name in a control: which of
:data:`nc_testbed.metrics.junk.IMAGE_JUNK` it is."""


def junk_names(space: Space) -> tuple[str, ...]:
    """The kinds of junk that rows of a space have.

    Images: patchwork (upper half of one class, lower half of another), union (of the ink
    of two classes), inverted, far (rectangles, which no referee learns to refuse), noise.
    Vectors: independent columns, halves (the second half of the columns from a row of
    another class), midpoints of rows of two classes, far, noise.
    """
    return tuple(IMAGE_KINDS if space.image else VECTOR_JUNK)


def make_junk(
    kind: str, space: Space, rows: Tensor, labels: Tensor | None, draws: Generators
) -> Tensor:
    """Junk ``[B, D]`` of this kind, made of stored rows ``[B, D]`` with classes ``[B]``
    or None."""
    if not space.image:
        return VECTOR_JUNK[kind](rows, labels, draws)
    classes = torch.zeros_like(rows[:, 0], dtype=torch.int64) if labels is None else labels
    images = space.floats(rows).reshape(len(rows), -1, *space.event[-2:])
    junk = IMAGE_JUNK[IMAGE_KINDS[kind]](Images(images, classes, draws))
    return space.stored_form(junk.flatten(1))


def independent_columns(rows: Tensor, labels: Tensor | None, draws: Generators) -> Tensor:
    """Every column in a random order of its own: its marginal is kept, nothing else."""
    order = draws.uniform(*rows.shape)[0].argsort(0)
    return rows.gather(0, order)


def halves(rows: Tensor, labels: Tensor | None, draws: Generators) -> Tensor:
    """Rows whose second half of columns is that of a row of another class."""
    other = rows[partners(rows, labels, draws)]
    first = (rows.shape[1] + 1) // 2
    return torch.cat([rows[:, :first], other[:, first:]], 1)


def midpoints(rows: Tensor, labels: Tensor | None, draws: Generators) -> Tensor:
    """Halfway between a row and one of another class."""
    return (rows + rows[partners(rows, labels, draws)]) / 2


def far_rows(rows: Tensor, labels: Tensor | None, draws: Generators) -> Tensor:
    """Rows moved by 6 standard deviations of every column, all in one random direction of
    signs."""
    signs = draws.uniform(rows.shape[1])[0] < 0.5
    step = FAR * rows.std(0, unbiased=False)
    return rows + torch.where(signs, -step, step)


def wide_noise(rows: Tensor, labels: Tensor | None, draws: Generators) -> Tensor:
    """Normal about every column's mean, 3 of its standard deviations wide."""
    z = draws.normal(*rows.shape, dtype=torch.float64)[0]
    return rows.mean(0) + WIDE * rows.std(0, unbiased=False) * z


VECTOR_JUNK: Mapping[str, Junk] = {
    "independent": independent_columns,
    "halves": halves,
    "midpoints": midpoints,
    "far": far_rows,
    "noise": wide_noise,
}


def partners(rows: Tensor, labels: Tensor | None, draws: Generators) -> Tensor:
    """For every row the place ``[B]`` of a random one of another class; of any where
    there is no other class.

    >>> from nc_testbed.core.rng import RandomStreams
    >>> labels = torch.tensor([0, 0, 1])
    >>> partners(torch.zeros(3, 1), labels, RandomStreams(0, (0,))("example")).tolist()[:2]
    [2, 2]
    """
    u = draws.uniform(len(rows))[0]
    places = torch.arange(len(rows), device=rows.device)
    classes = torch.zeros_like(places) if labels is None else labels
    out = torch.empty_like(places)
    for c in classes.unique():
        others = places[classes != c]
        others = others if len(others) else places
        own = classes == c
        out[own] = others[(u[own] * len(others)).long().clamp(max=len(others) - 1)]
    return out
