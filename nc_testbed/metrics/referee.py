"""The frozen referee: a classifier trained once on real rows, giving labels and
features."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.nn.functional import conv2d, cross_entropy, linear, max_pool2d

from nc_testbed.core.exactness import one_thread, row_blocks
from nc_testbed.core.rng import SHARED, Generators, RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.data.source import Data, DataLaw

SHIPPED = Path(__file__).parent / "referees"
FEATURES = 64  # width of the last hidden layer
BATCH = 128
DROPOUT = 0.3


@dataclass(frozen=True)
class Referee:
    """A small classifier: two convolutions for images, one hidden layer for vectors.

    Features are the 64 units of the last hidden layer for images; vectors are their own
    features. Trained on real rows alone and never changed by a run.

    weights: named tensors. space: where its rows live. sha256: of the weights' names and
    bytes.
    """

    space: Space
    weights: Mapping[str, Tensor]

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights, written into every run's config."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            digest.update(name.encode())
            digest.update(self.weights[name].cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def to(self, device: torch.device) -> Referee:
        """The same referee on another device."""
        return Referee(self.space, {k: v.to(device) for k, v in self.weights.items()})

    @torch.no_grad()
    def features(self, rows: Tensor) -> Tensor:
        """Stored rows ``[M, D]`` to features ``[M, F]``: float32 units, or vectors as they
        are."""
        if not self.space.image:
            return rows
        # The first layer's maps of one block should stay in the cache of a CPU.
        blocks = row_blocks(len(rows), 48 if rows.device.type == "cpu" else 1024)
        return torch.cat([self._hidden(self.space.floats(rows[block])) for block in blocks])

    @torch.no_grad()
    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``[M, F]`` to the likeliest class ``[M]`` and its probability
        ``[M]``."""
        logits = self._out(features if self.space.image else self._hidden(features.float()))
        confidence, label = logits.softmax(1).max(1)
        return label, confidence

    def noisy(self, rows: Tensor, noise: Generators) -> Tensor:
        """Logits ``[M, C]`` of stored rows under dropout, for training."""
        hidden = self._hidden(self.space.floats(rows))
        keep = noise.uniform(*hidden.shape)[0] >= DROPOUT
        return self._out(hidden * keep / (1 - DROPOUT))

    def _hidden(self, x: Tensor) -> Tensor:
        w = self.weights
        if self.space.image:
            x = x.reshape(len(x), -1, *self.space.event[-2:])
            # Three times as fast on a CPU as the default layout.
            x = x.to(memory_format=torch.channels_last)
            x = max_pool2d(conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=1), 2).relu()
            x = max_pool2d(conv2d(x, w["conv2.weight"], w["conv2.bias"], padding=1), 2).relu()
        return linear(x.flatten(1), w["hidden.weight"], w["hidden.bias"]).relu()

    def _out(self, hidden: Tensor) -> Tensor:
        return linear(hidden, self.weights["out.weight"], self.weights["out.bias"])


@dataclass(frozen=True)
class NearestCentre:
    """The referee of a mixture whose centres are known: the posterior of equal isotropic
    modes."""

    law: DataLaw

    @property
    def sha256(self) -> str:
        """Hash of the centres."""
        assert self.law.centres is not None
        return hashlib.sha256(self.law.centres.cpu().numpy().tobytes()).hexdigest()

    def to(self, device: torch.device) -> NearestCentre:
        """Centres follow their rows; nothing to move."""
        return self

    def features(self, rows: Tensor) -> Tensor:
        """The rows themselves, ``[M, D]`` float64."""
        return rows.double()

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Nearest centre ``[M]`` and its posterior probability ``[M]`` of features ``[M,
        F]``."""
        assert self.law.centres is not None and self.law.scale is not None
        distance = torch.cdist(features, self.law.centres.to(features))
        confidence, label = (-0.5 * (distance / self.law.scale) ** 2).softmax(1).max(1)
        return label, confidence.float()


@dataclass(frozen=True)
class Plain:
    """The referee of vectors without labels: rows are their own features, nothing is
    classified."""

    sha256: str = "none"

    def to(self, device: torch.device) -> Plain:
        """Nothing to move."""
        return self

    def features(self, rows: Tensor) -> Tensor:
        """The rows themselves, ``[M, D]`` float64."""
        return rows.double()

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Never called: there are no classes."""
        raise NotImplementedError("rows without labels have no classes")


def train(space: Space, x: Tensor, y: Tensor, epochs: int | None = None) -> Referee:
    """A referee trained on stored real rows ``[N, D]`` with classes ``[N]``.

    Adam, batch 128, one cycle of the learning rate up to 3e-3 (Smith & Topin 2019),
    dropout 0.3, images shifted by up to a pixel. epochs: None = 15, or as many as make
    2,000 updates. The result depends on the rows alone.
    """
    streams = RandomStreams(0, (SHARED,), device=x.device)
    weights = _initial(space, int(y.max()) + 1, streams("referee.init"))
    referee = Referee(space, {k: v.requires_grad_() for k, v in weights.items()})
    batches = -(-len(x) // BATCH)
    epochs = epochs or max(15, -(-2000 // batches))
    adam = torch.optim.Adam(weights.values(), 3e-3, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, total_steps=epochs * batches)
    order = streams("referee.order")
    noise = streams("referee.noise")
    with one_thread():  # the same weights whatever the number of cores
        for _ in range(epochs):
            for index in order.permutation(len(x))[0].split(BATCH):
                rows = _shift(x[index], space, noise)
                adam.zero_grad()
                cross_entropy(referee.noisy(rows, noise), y[index]).backward()
                adam.step()
                cycle.step()
    return Referee(space, {k: v.detach() for k, v in weights.items()})


def _shift(rows: Tensor, space: Space, noise: Generators) -> Tensor:
    """Images moved by -1, 0 or 1 pixel along each axis, an eighth of a batch at a
    time."""
    if not space.image:
        return rows
    images = rows.reshape(len(rows), -1, *space.event[-2:])
    moves = (noise.uniform(8, 2)[0] * 3 - 1).floor().int().tolist()
    parts = zip(images.chunk(8), moves, strict=False)
    return torch.cat([part.roll(move, (2, 3)) for part, move in parts]).flatten(1)


def _initial(space: Space, classes: int, draws: Generators) -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {"hidden": (FEATURES, space.size)}
    if space.image:
        channels = space.event[0] if len(space.event) == 3 else 1
        h = space.event[-2] // 4
        w = space.event[-1] // 4
        shapes = {"conv1": (16, channels, 3, 3), "conv2": (32, 16, 3, 3)}
        shapes["hidden"] = (FEATURES, 32 * h * w)
    shapes["out"] = (classes, FEATURES)
    weights = {}
    for name, shape in shapes.items():
        bound = math.prod(shape[1:]) ** -0.5
        weights[f"{name}.weight"] = (2 * draws.uniform(*shape)[0] - 1) * bound
        weights[f"{name}.bias"] = (2 * draws.uniform(shape[0])[0] - 1) * bound
    return weights


def referee_for(
    data: Data, say: Callable[[str], None] = lambda line: None
) -> Referee | NearestCentre | Plain:
    """The referee of a data set: shipped, from the cache, or trained once and cached.

    Real data are known by the hash of their rows, so MNIST and long-tailed MNIST share
    one referee and binarised MNIST has its own. An exact law's is trained on 5,000 rows
    of its own. say: told before one is trained, since that takes a while.
    """
    if data.y is None:
        return Plain()
    if data.law is not None and data.law.centres is not None:
        return NearestCentre(data.law)
    x, y, name = _lessons(data)
    for path in (SHIPPED / f"{name}.safetensors", cache() / f"{name}.safetensors"):
        if path.is_file():
            with contextlib.suppress(SafetensorError):  # a damaged one is trained again
                return Referee(data.space, load(path.read_bytes()))
    say(f"training the referee of {data.name} once, to be kept as {path}")
    referee = train(data.space, x, y)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".tmp-{os.getpid()}")
    temporary.write_bytes(save(dict(referee.weights)))
    temporary.rename(path)
    return referee


def _lessons(data: Data) -> tuple[Tensor, Tensor, str]:
    """Rows ``[N, D]`` and classes ``[N]`` to train on, and the hash that names them."""
    if data.law is None:
        assert data.y is not None
        return data.x[0], data.y[0], str(data.record["x_sha256"])
    streams = RandomStreams(0, tuple(range(data.training.shape[0])))
    x, y = data.law.draw(5000, streams, "referee.rows")
    assert y is not None
    return x[0], y[0], hashlib.sha256(x[0].numpy().tobytes()).hexdigest()


def cache() -> Path:
    """Where referees trained on this machine are kept: $NC_TESTBED_CACHE or
    ~/.cache/nc_testbed."""
    root = os.environ.get("NC_TESTBED_CACHE") or Path.home() / ".cache" / "nc_testbed"
    return Path(root) / "referees"
