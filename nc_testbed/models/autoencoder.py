"""Variational autoencoders of any network: their
settings, and the fit of R of them at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.interfaces import Fit, Progress, no_progress
from nc_testbed.core.machine import current
from nc_testbed.core.rng import Generators, RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.metrics.column import Column
from nc_testbed.models.adam import Adam
from nc_testbed.models.autoencoder_fit import AutoencoderFit
from nc_testbed.models.steps import Inputs, take_steps

State = Mapping[str, Tensor]
"""Weights by name, chain axis first."""


class Layer(NamedTuple):
    """The shapes of one layer in one chain, and how
    many numbers one of its outputs is made of."""

    name: str
    weight: tuple[int, ...]
    bias: tuple[int, ...]
    inputs: int


@dataclass(frozen=True)
class Autoencoder(ABC):
    """Variational autoencoder (Kingma & Welling 2014, https://arxiv.org/abs/1312.6114).

    ELBO(x) = E_q log p(x | z) - KL(q(z | x) || N(0, I)), maximised by Adam on one draw of
    z per row; the loss is summed over chains and averaged within, so no chain feels
    another.

    latent_dim: size of z. likelihood: ``bernoulli`` (pixels) or ``gaussian``; variance:
    of the Gaussian likelihood, in squared data units, None = learned, one number per
    chain (Rybkin et al. 2021). steps: updates per fit, equal for all generations and
    policies; or epochs, and then a fit's work grows with its training set. batch_size:
    rows per update. lr: Adam's learning rate. weight_decay: Adam's L2 penalty,
    ``weight_decay / 2`` times the squared weights, >= 0. start: ``cold`` (new weights
    every generation) or ``warm`` (go on from the previous fit). Raises BadInput for a
    setting out of range.
    """

    provides: ClassVar[frozenset[str]] = frozenset({"likelihood", "encoder"})
    columns: ClassVar[dict[str, Column]] = {
        "fit_variance": Column(
            "autoencoders with `model.likelihood=gaussian` and `model.variance=null`: the "
            "decoder's variance",
            low=0,
            worse="either",
            group="7 fit",
        ),
    }

    latent_dim: int = 20
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    variance: float | None = None
    steps: int | None = 1200
    epochs: float | None = None
    batch_size: int = 32
    lr: float = 3e-3
    weight_decay: float = 0.0
    start: Literal["cold", "warm"] = "cold"

    def __post_init__(self) -> None:
        remedy = "give at least 1 latent dimension"
        require(self.latent_dim >= 1, "latent_dim", self.latent_dim, remedy)
        ok = self.variance is None or self.variance > 0
        require(ok, "variance", self.variance, "give a number > 0, or null to learn it")
        either = (self.steps is None) != (self.epochs is None)
        remedy = "give either steps or epochs, and null for the other"
        require(either, "steps", f"{self.steps} epochs={self.epochs}", remedy)
        ok = self.steps is None or self.steps >= 1
        require(ok, "steps", self.steps, "give at least 1")
        ok = self.epochs is None or self.epochs > 0
        require(ok, "epochs", self.epochs, "give a number > 0")
        remedy = "give at least 1 row per update"
        require(self.batch_size >= 1, "batch_size", self.batch_size, remedy)
        require(self.lr > 0, "lr", self.lr, "give a learning rate > 0")
        require(
            self.weight_decay >= 0,
            "weight_decay",
            self.weight_decay,
            "give a number >= 0",
        )
        self.check_widths()

    @abstractmethod
    def check_widths(self) -> None:
        """Raise BadInput for layers that cannot be built on any rows."""

    @abstractmethod
    def check(self, space: Space) -> None:
        """Raise BadInput for rows that this network or its likelihood cannot take."""

    @abstractmethod
    def stacks(self, space: Space) -> bool:
        """Whether chains have the same bits beside others,
        see :mod:`nc_testbed.core.exactness`."""

    @abstractmethod
    def widest(self, space: Space) -> int:
        """How many numbers the widest layer has for one row."""

    def workspace(self, space: Space, m: int) -> int:
        """Bytes of one chain: weights eight times over, and the layers of a batch.

        Eight: weights, gradients, both moments, and as much again in the checkpoint. A
        batch takes about 16 float32 numbers for each of the widest layer, in all layers
        together.
        """
        return 8 * self.disk_bytes(space, m) + 4 * 16 * self.batch_size * self.widest(space)

    def disk_bytes(self, space: Space, m: int) -> int:
        """Bytes of one chain's weights in float32."""
        layers = self.layers(space)
        return 4 * sum(math.prod(layer.weight) + math.prod(layer.bias) for layer in layers)

    @abstractmethod
    def restore(self, state: Mapping[str, Tensor], space: Space) -> AutoencoderFit:
        """The fit whose ``state_dict()`` this is; the
        weights alone are one that is not over."""

    @abstractmethod
    def layers(self, space: Space) -> Iterator[Layer]:
        """Every layer in turn, encoder first."""

    def fit(
        self,
        training: TrainingSet,
        streams: RandomStreams,
        previous: Fit | None = None,
        progress: Progress = no_progress,
    ) -> AutoencoderFit:
        """R independent fits by Adam; ``progress(done, total)`` is called after every
        step.

        A chain whose loss or gradient is not finite keeps the weights it had before that
        step and is ``diverged``. A cold start begins anew; warm, it has nowhere to go on
        from and stays.
        """
        if self.start == "warm" and isinstance(previous, AutoencoderFit):
            first = previous.weights
            stopped = previous.diverged
        else:
            first = self._initial(training.space, streams("init"))
            stopped = None
        adam = Adam(first, self.lr, self.weight_decay, stopped)
        shape = self.batch_size, self.latent_dim
        inputs = Inputs(training, shape, self.updates(training.size), streams)
        make_bound = compile_bound if current().compile else bound_of
        bound = make_bound(self, training.space)

        def step() -> None:
            rows, eps, weights = inputs.take()
            bounds = bound(adam.weights(), rows, eps)
            adam.step(-(bounds if weights is None else bounds * weights).mean(1))

        take_steps(step, adam, inputs, progress)
        fit = self.restore(adam.result(), training.space)
        return replace(fit, diverged=adam.stopped_chains)

    def updates(self, m: int) -> int:
        """Updates of one fit on m rows: ``steps``, or ceil(epochs m / batch_size)."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, math.ceil(self.epochs * m / self.batch_size))

    def check_pixels(self, space: Space) -> None:
        """Refuse a Bernoulli likelihood on rows that are not pixels."""
        if self.likelihood == "bernoulli" and not space.image:
            remedy = "these rows are vectors; use model.likelihood=gaussian"
            raise BadInput("likelihood", self.likelihood, remedy)

    def _initial(self, space: Space, draws: Generators) -> dict[str, Tensor]:
        """Uniform(+-1/sqrt(inputs)) weights and biases, the
        default of torch.nn's layers."""
        weights = {}
        for layer in self.layers(space):
            bound = 1 / math.sqrt(layer.inputs)
            weights[f"{layer.name}.weight"] = (2 * draws.uniform(*layer.weight) - 1) * bound
            weights[f"{layer.name}.bias"] = (2 * draws.uniform(*layer.bias) - 1) * bound
        if self.likelihood == "gaussian" and self.variance is None:
            weights["log_variance"] = 0 * draws.uniform(1, 1)  # zeros [R, 1, 1]: variance 1
        return weights


def bound_of(model: Autoencoder, space: Space) -> Callable[[State, Tensor, Tensor], Tensor]:
    """The function of weights, stored rows ``[R, B, D]`` and noise ``[R, B, L]`` that
    gives the ELBO of every row, ``[R, B]``."""

    def bound(weights: State, rows: Tensor, eps: Tensor) -> Tensor:
        return model.restore(weights, space).bound(space.floats(rows), eps)

    return bound


@lru_cache
def compile_bound(
    model: Autoencoder, space: Space
) -> Callable[[State, Tensor, Tensor], Tensor]:
    """:func:`bound_of` compiled by torch; once for all fits of a process."""
    return torch.compile(bound_of(model, space), fullgraph=True, dynamic=False)
