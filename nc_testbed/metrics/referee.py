"""The frozen judges of rows: labels, features, and whether a row is of any class."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, conv2d, linear, max_pool2d

from nc_testbed.core.exactness import row_blocks
from nc_testbed.core.rng import SHARED, Generators, RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.source import DataLaw
from nc_testbed.metrics.classifier import Classification

IMAGE_UNITS = 128
"""Width of the last hidden layer for images."""
VECTOR_UNITS = 64
"""Width of the hidden layer for vectors."""
UNTRAINED_UNITS = 128
"""Width of the untrained layer on vectors."""
RELIABLE = 0.9
"""Least accuracy on held-out rows of a referee whose labels are used."""
CELLS = 3
"""Cells per axis that the second convolution is averaged over."""


@dataclass(frozen=True)
class Referee:
    """A small classifier: two convolutions for images, one hidden layer for vectors.

    Images have one output beside the C classes, "none of these", and are described by the
    last hidden layer, then by both convolutions. Vectors have C outputs and are described
    by their columns. Trained on real rows alone and never changed by a run.

    space: where its rows live. weights: named tensors.
    """

    space: Space
    weights: Mapping[str, Tensor]

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights' names and bytes, written into every run's config."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            digest.update(name.encode())
            digest.update(self.weights[name].cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def width(self) -> int:
        """F, the number of features: units of the last hidden layer, or columns."""
        return IMAGE_UNITS if self.space.image else self.space.size

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        outputs = len(self.weights["out.bias"])
        return outputs - 1 if self.space.image else outputs

    def to(self, device: torch.device) -> Referee:
        """The same referee on another device."""
        return Referee(self.space, {k: v.to(device) for k, v in self.weights.items()})

    @torch.no_grad()
    def describe(self, rows: Tensor) -> Tensor:
        """Stored rows ``[M, D]`` to features of several depths ``[M, G]``: float32 units,
        or vectors as they are.

        The F features first. Images: then the 16 means over the first convolution's
        channels, and the second convolution averaged over 3 by 3 cells, 288 numbers
        (fewer where an image has fewer than 12 pixels along an axis); unscaled.
        """
        if not self.space.image:
            return rows
        # The first layer's maps of one block should stay in the cache of a CPU.
        blocks = row_blocks(len(rows), 48 if rows.device.type == "cpu" else 1024)
        return torch.cat([self._describe(self.space.floats(rows[block])) for block in blocks])

    @torch.no_grad()
    def classify(self, features: Tensor) -> Classification:
        """What it says of rows with features ``[M, F]``; further columns are not read."""
        features = features[:, : self.width]
        outputs = self.logits(features if self.space.image else self.hidden(features))
        label = outputs[:, : self.classes].argmax(1)
        confidence = outputs.softmax(1).gather(1, label[:, None])[:, 0]
        return Classification(label, confidence, outputs.argmax(1) == self.classes)

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        """Probabilities ``[M, C]`` of the classes alone, for rows with features ``[M,
        F]``."""
        features = features[:, : self.width]
        outputs = self.logits(features if self.space.image else self.hidden(features))
        return outputs[:, : self.classes].softmax(1)

    def hidden(self, x: Tensor) -> Tensor:
        """The last hidden layer ``[M, units]`` of numbers ``[M, D]``."""
        if self.space.image:
            x = self._convolve(x)[1].flatten(1)
        return self._layer("hidden", x).relu()

    def logits(self, hidden: Tensor) -> Tensor:
        """Outputs ``[M, C]``, or ``[M, C + 1]`` for images, of the last hidden layer."""
        return self._layer("out", hidden)

    def _describe(self, x: Tensor) -> Tensor:
        """All depths ``[M, G]`` of pixels ``[M, D]`` in [0, 1]."""
        first, second = self._convolve(x)
        cells = (min(CELLS, second.shape[2]), min(CELLS, second.shape[3]))
        return torch.cat(
            [
                self._layer("hidden", second.flatten(1)).relu(),
                first.mean((2, 3)),
                adaptive_avg_pool2d(second, cells).flatten(1),
            ],
            dim=1,
        )

    def _convolve(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both convolutions of pixels ``[M, D]``, each halved along every axis."""
        channels = self.space.size // (self.space.event[-2] * self.space.event[-1])
        x = x.reshape(len(x), channels, *self.space.event[-2:])
        # Three times as fast on a CPU as the default layout.
        x = x.to(memory_format=torch.channels_last)
        first = self._convolution("conv1", x)
        return first, self._convolution("conv2", first)

    def _convolution(self, name: str, x: Tensor) -> Tensor:
        """One convolution of 3 by 3 pixels, halved by maxima along axes that can be."""
        weights = self.weights
        x = conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)
        return max_pool2d(x, [min(2, side) for side in x.shape[2:]]).relu()

    def _layer(self, name: str, x: Tensor) -> Tensor:
        weight = self.weights[f"{name}.weight"]
        return linear(x.to(weight.dtype), weight, self.weights[f"{name}.bias"])


@dataclass(frozen=True)
class UntrainedLayer:
    """One hidden ReLU layer on the columns of vectors, with initial weights; judges
    nothing."""

    weight: Tensor
    bias: Tensor

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        parts = [part.cpu().numpy().tobytes() for part in (self.weight, self.bias)]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    @property
    def width(self) -> int:
        """Number of units."""
        return len(self.bias)

    def to(self, device: torch.device) -> UntrainedLayer:
        """The same layer on another device."""
        return UntrainedLayer(self.weight.to(device), self.bias.to(device))

    def describe(self, rows: Tensor) -> Tensor:
        """The units ``[M, F]`` float32 of rows ``[M, D]``."""
        return linear(rows.float(), self.weight, self.bias).relu()

    def classify(self, features: Tensor) -> Classification:
        """Never called: nothing was learnt."""
        raise NotImplementedError("an untrained layer knows no classes")

    def probabilities(self, features: Tensor) -> Tensor:
        """Never called: nothing was learnt."""
        raise NotImplementedError("an untrained layer knows no classes")


def untrained_network(space: Space) -> Referee | UntrainedLayer:
    """The layers of a referee before any training: a second feature space, made unlike
    the first.

    The weights are the same for every seed and every data set of a space. Images: the
    network of a :class:`Referee`. Vectors: one hidden layer of 128 units on the columns.
    """
    draws = RandomStreams(0, (SHARED,))("referee.untrained")
    if space.image:
        return Referee(space, initial_weights(space, 1, draws))
    shape = (UNTRAINED_UNITS, space.size)
    return UntrainedLayer(*_uniform(shape, draws))


@dataclass(frozen=True)
class NearestCentre:
    """The referee of a mixture whose centres are known: the posterior of equal isotropic
    modes."""

    law: DataLaw

    @property
    def sha256(self) -> str:
        """Hash of the centres."""
        return hashlib.sha256(self._centres.cpu().numpy().tobytes()).hexdigest()

    @property
    def width(self) -> int:
        """F = D, the number of columns."""
        return self._centres.shape[1]

    @property
    def _centres(self) -> Tensor:
        assert self.law.centres is not None
        return self.law.centres

    def to(self, device: torch.device) -> NearestCentre:
        """Centres follow their rows; nothing to move."""
        return self

    def describe(self, rows: Tensor) -> Tensor:
        """The rows themselves, ``[M, D]`` float64."""
        return rows.double()

    def classify(self, features: Tensor) -> Classification:
        """Nearest centre and its posterior probability for features ``[M, F]``."""
        confidence, label = self.probabilities(features).max(1)
        none = torch.zeros_like(label, dtype=torch.bool)
        return Classification(label, confidence.float(), none)

    def probabilities(self, features: Tensor) -> Tensor:
        """Posterior probabilities ``[M, C]`` of the modes for features ``[M, F]``."""
        assert self.law.scale is not None
        distance = torch.cdist(features[:, : self.width], self._centres.to(features))
        return (-0.5 * (distance / self.law.scale) ** 2).softmax(1)


@dataclass(frozen=True)
class Plain:
    """The referee of rows without labels: they are their own features, nothing is
    classified.

    width: number of columns, by default all there are.
    """

    sha256: str = "none"
    width: int = sys.maxsize

    def to(self, device: torch.device) -> Plain:
        """Nothing to move."""
        return self

    def describe(self, rows: Tensor) -> Tensor:
        """The rows themselves, ``[M, D]`` float64."""
        return rows.double()

    def classify(self, features: Tensor) -> Classification:
        """Never called: there are no classes."""
        raise NotImplementedError("rows without labels have no classes")

    def probabilities(self, features: Tensor) -> Tensor:
        """Never called: there are no classes."""
        raise NotImplementedError("rows without labels have no classes")


def initial_weights(space: Space, classes: int, draws: Generators) -> dict[str, Tensor]:
    """Weights and biases before training, uniform in +-1/sqrt(inputs of a unit)."""
    shapes: dict[str, tuple[int, ...]] = {"hidden": (VECTOR_UNITS, space.size)}
    outputs = classes
    if space.image:
        channels = space.event[0] if len(space.event) == 3 else 1
        h, w = (_half(_half(side)) for side in space.event[-2:])
        shapes = {"conv1": (16, channels, 3, 3), "conv2": (32, 16, 3, 3)}
        shapes["hidden"] = (IMAGE_UNITS, 32 * h * w)
        outputs = classes + 1
    shapes["out"] = (outputs, shapes["hidden"][0])
    weights = {}
    for name, shape in shapes.items():
        weights[f"{name}.weight"], weights[f"{name}.bias"] = _uniform(shape, draws)
    return weights


def _uniform(shape: tuple[int, ...], draws: Generators) -> tuple[Tensor, Tensor]:
    """Initial weights of a layer of this shape and its biases ``[shape[0]]``."""
    bound = math.prod(shape[1:]) ** -0.5
    weight = (2 * draws.uniform(*shape)[0] - 1) * bound
    bias = (2 * draws.uniform(shape[0])[0] - 1) * bound
    return weight, bias


def _half(side: int) -> int:
    """What a convolution leaves of a side: half of it, or the one pixel there is."""
    return max(1, side // 2)
