"""How a referee is trained: once, on real rows, and to refuse what is made of them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nc_testbed.core.exactness import one_thread
from nc_testbed.core.rng import SHARED, Generators, RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.metrics.junk import LEARNT, Images, learnt_kinds
from nc_testbed.metrics.referee import Referee, initial_weights

BATCH = 128
DROPOUT = 0.3
JUNK = 32
"""Images of no class in every batch."""
KINDS = 4
"""Kinds of junk in every batch, in equal parts."""
UPDATES = 2000
"""Fewest steps of a training."""
RATE = 3e-3
RECIPE = 1
"""Number of the recipe: whatever changes the weights of a training changes it."""


def train(space: Space, x: Tensor, y: Tensor, epochs: int | None = None) -> Referee:
    """A referee trained on stored real rows ``[N, D]`` with classes ``[N]``.

    Adam, batch 128, one cycle of the learning rate up to 3e-3 (Smith and Topin, 2019,
    https://arxiv.org/abs/1708.07120), dropout 0.3, images shifted by up to a pixel, and
    beside them 32 images of no class made from others of the rows: outlier exposure
    (Hendrycks et al., 2019, https://arxiv.org/abs/1812.04606). epochs: None = 10 for
    images, 15 for vectors, or as many as make 2,000 updates. The result depends on the
    rows alone.
    """
    streams = RandomStreams(0, (SHARED,), device=x.device)
    weights = initial_weights(space, int(y.max()) + 1, streams("referee.init"))
    referee = Referee(space, {k: v.requires_grad_() for k, v in weights.items()})
    batches = -(-len(x) // BATCH)
    epochs = epochs or max(10 if space.image else 15, -(-UPDATES // batches))
    adam = torch.optim.Adam(weights.values(), RATE, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=epochs * batches)
    order = streams("referee.order")
    draws = streams("referee.noise")
    with one_thread():  # the same weights whatever the number of cores
        for _ in range(epochs):
            for index in order.permutation(len(x))[0].split(BATCH):
                rows, classes = _lesson(space, x, y, index, draws)
                adam.zero_grad()
                cross_entropy(_with_dropout(referee, rows, draws), classes).backward()
                adam.step()
                cycle.step()
    return Referee(space, {k: v.detach() for k, v in weights.items()})


def _lesson(
    space: Space, x: Tensor, y: Tensor, index: Tensor, draws: Generators
) -> tuple[Tensor, Tensor]:
    """One batch: numbers ``[B, D]`` of real rows, images with junk behind them, and their
    classes ``[B]``."""
    rows = space.floats(x[index])
    if not space.image:
        return rows, y[index]
    images = rows.reshape(len(rows), -1, *space.event[-2:])
    images = _shift(images, draws)
    junk = _junk(space, x, y, draws)
    none = torch.full_like(y[:1], int(y.max()) + 1).expand(len(junk))
    return torch.cat([images, junk]).flatten(1), torch.cat([y[index], none])


def _junk(space: Space, x: Tensor, y: Tensor, draws: Generators) -> Tensor:
    """Images ``[JUNK, C, H, W]`` of a few kinds, made from random real rows."""
    index = (draws.uniform(2 * BATCH)[0] * len(x)).long().clamp(max=len(x) - 1)
    rows = space.floats(x[index]).reshape(len(index), -1, *space.event[-2:])
    real = Images(rows, y[index], draws)
    names = learnt_kinds(int(y.max()) + 1, *rows.shape[2:])
    kinds = draws.permutation(len(names))[0][:KINDS].tolist()
    return torch.cat([LEARNT[names[i]](real)[: JUNK // KINDS] for i in kinds])


def _with_dropout(referee: Referee, rows: Tensor, draws: Generators) -> Tensor:
    """Outputs of the referee with a share of its hidden units off."""
    hidden = referee.hidden(rows)
    keep = draws.uniform(*hidden.shape)[0] >= DROPOUT
    return referee.logits(hidden * keep / (1 - DROPOUT))


def _shift(images: Tensor, draws: Generators) -> Tensor:
    """Images moved by -1, 0 or 1 pixel along each axis, an eighth of a batch at a
    time."""
    moves = (draws.uniform(8, 2)[0] * 3 - 1).floor().int().tolist()
    parts = zip(images.chunk(8), moves, strict=False)
    return torch.cat([part.roll(move, (2, 3)) for part, move in parts])
