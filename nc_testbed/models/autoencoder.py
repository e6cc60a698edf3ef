"""What variational autoencoders share: their settings and the loop that fits R of them at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nc_testbed.archive import TrainingSet
from nc_testbed.models.autoencoder_fit import AutoencoderFit
from nc_testbed.rng import Draws, Streams
from nc_testbed.types import BadInput, Fit, Progress, Space, require, silent

LINE = 16  # float32 numbers in 64 bytes
BLOCK = 64  # steps whose noise is drawn at once; part of the stream's definition on a GPU


@dataclass(frozen=True)
class Autoencoder(ABC):
    """Variational autoencoder (Kingma & Welling 2014, https://arxiv.org/abs/1312.6114).

    ELBO(x) = E_q log p(x | z) - KL(q(z | x) || N(0, I)), maximised by Adam on one draw of z per
    row; the loss is summed over chains and averaged within, so no chain feels another.

    latent: size of z. likelihood: ``bernoulli`` (pixels) or ``gaussian``; variance: of the
    Gaussian likelihood, in squared data units, None = learned, one number per chain (Rybkin et
    al. 2021). steps: updates per fit, equal for all generations and policies; or epochs, and then
    a fit's work grows with its training set. batch: rows per update. rate: Adam's learning rate.
    weight_decay: Adam's L2 penalty, ``weight_decay / 2`` times the squared weights, >= 0.
    start: ``cold`` (new weights every generation) or ``warm`` (go on from the previous fit).
    """

    offers: ClassVar[frozenset[str]] = frozenset({"likelihood", "encoder"})

    latent: int = 20
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    variance: float | None = None
    steps: int | None = 1200
    epochs: float | None = None
    batch: int = 32
    rate: float = 3e-3
    weight_decay: float = 0.0
    start: Literal["cold", "warm"] = "cold"

    def __post_init__(self) -> None:
        require(self.latent >= 1, "latent", self.latent, "give at least 1 latent dimension")
        ok = self.variance is None or self.variance > 0
        require(ok, "variance", self.variance, "give a number > 0, or null to learn it")
        either = (self.steps is None) != (self.epochs is None)
        remedy = "give either steps or epochs, and null for the other"
        require(either, "steps", f"{self.steps} epochs={self.epochs}", remedy)
        require(self.steps is None or self.steps >= 1, "steps", self.steps, "give at least 1")
        ok = self.epochs is None or self.epochs > 0
        require(ok, "epochs", self.epochs, "give a number > 0")
        require(self.batch >= 1, "batch", self.batch, "give at least 1 row per update")
        require(self.rate > 0, "rate", self.rate, "give a learning rate > 0")
        require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "give a number >= 0")
        self.check_widths()

    @abstractmethod
    def check_widths(self) -> None:
        """Raise BadInput for layers that cannot be built on any rows."""

    @abstractmethod
    def check(self, space: Space) -> None:
        """Raise BadInput for rows that this network or its likelihood cannot take."""

    @abstractmethod
    def stacks(self, space: Space) -> bool:
        """See :meth:`nc_testbed.types.Model.stacks`."""

    @abstractmethod
    def restore(self, state: Mapping[str, Tensor], space: Space) -> AutoencoderFit:
        """The fit whose ``state_dict()`` this is."""

    @abstractmethod
    def layers(self, space: Space) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...], int]]:
        """Name, shapes of weight and bias, and inputs per output, of every layer in turn."""

    def fit(
        self,
        training: TrainingSet,
        streams: Streams,
        previous: Fit | None = None,
        progress: Progress = silent,
    ) -> AutoencoderFit:
        """R independent fits by Adam; ``progress(done, total)`` is called after every step."""
        if self.start == "warm" and previous is not None:
            weights = {k: v.clone() for k, v in previous.state_dict().items()}
        else:
            weights = self._initial(training.space, streams("init"))
        widths = {name: weight.shape[-1] for name, weight in weights.items()}
        leaves = {name: _padded(weight).requires_grad_() for name, weight in weights.items()}
        adam = self._adam(leaves, on_gpu=training.rows.is_cuda)
        steps = self.updates(training.size)
        rows = _batches(training.size, self.batch, steps, streams("fit.order"))
        noise = _noise(steps, (self.batch, self.latent), streams("fit.noise"))
        for step, (index, eps) in enumerate(zip(rows, noise, strict=True), start=1):
            x = training.space.floats(training.gather(index))
            weights = {name: leaf[..., : widths[name]] for name, leaf in leaves.items()}
            bound = self.restore(weights, training.space).bound(x, eps)
            if training.weights is not None:
                bound = bound * training.weights.gather(1, index).float()
            loss = -bound.mean(1).sum()
            adam.zero_grad()
            loss.backward()
            adam.step()
            progress(step, steps)
        fitted = {k: v.detach()[..., : widths[k]].contiguous() for k, v in leaves.items()}
        return self.restore(fitted, training.space)

    def updates(self, m: int) -> int:
        """Updates of one fit on m rows: ``steps``, or ceil(epochs m / batch)."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, math.ceil(self.epochs * m / self.batch))

    def check_pixels(self, space: Space) -> None:
        """Refuse a Bernoulli likelihood on rows that are not pixels."""
        if self.likelihood == "bernoulli" and not space.image:
            remedy = "these rows are vectors; use model.likelihood=gaussian"
            raise BadInput("likelihood", self.likelihood, remedy)

    def _initial(self, space: Space, draws: Draws) -> dict[str, Tensor]:
        """Uniform(+-1/sqrt(inputs)) weights and biases, the default of torch.nn's layers."""
        weights = {}
        for name, weight, bias, inputs in self.layers(space):
            bound = 1 / math.sqrt(inputs)
            weights[f"{name}.weight"] = (2 * draws.uniform(*weight) - 1) * bound
            weights[f"{name}.bias"] = (2 * draws.uniform(*bias) - 1) * bound
        if self.likelihood == "gaussian" and self.variance is None:
            weights["log_variance"] = 0 * draws.uniform(1, 1)
        return weights

    def _adam(self, leaves: Mapping[str, Tensor], on_gpu: bool) -> torch.optim.Adam:
        # capturable keeps the step counter on a GPU, so that no step waits for it.
        return torch.optim.Adam(
            leaves.values(),
            self.rate,
            weight_decay=self.weight_decay,
            fused=True,
            capturable=on_gpu,
        )


def _padded(weight: Tensor) -> Tensor:
    """``[R, .., b]`` with b widened until a chain's part fills whole 64-byte vectors.

    Adam's CPU kernel rounds the last few numbers of a tensor otherwise than the rest, and which
    numbers come last must not depend on how many chains there are.
    """
    if math.prod(weight.shape[1:]) % LINE == 0:
        return weight
    return torch.nn.functional.pad(weight, (0, -weight.shape[-1] % LINE))


def _batches(m: int, batch: int, steps: int, draws: Draws) -> Iterator[Tensor]:
    """Positions ``[R, B]`` of every step: the rows in random order, again and again."""
    left = draws.permutation(m)
    for _ in range(steps):
        while left.shape[1] < batch:
            left = torch.cat([left, draws.permutation(m)], 1)
        yield left[:, :batch]
        left = left[:, batch:]


def _noise(steps: int, shape: tuple[int, int], draws: Draws) -> Iterator[Tensor]:
    """Standard normals ``[R, B, L]`` of every step, drawn in blocks."""
    for start in range(0, steps, BLOCK):
        block = draws.normal(min(BLOCK, steps - start), *shape)
        yield from block.unbind(1)
