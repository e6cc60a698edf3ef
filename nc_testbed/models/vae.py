"""Variational autoencoders, R at once: stacked multilayer perceptrons with weights [R, in, out]."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor

from nc_testbed.archive import TrainingSet
from nc_testbed.rng import Draws, Streams
from nc_testbed.types import BadInput, Fit, Progress, Sampling, Space, require, silent

LINE = 16  # float32 numbers in 64 bytes
BLOCK = 64  # steps whose noise is drawn at once; part of the stream's definition on a GPU


@dataclass(frozen=True)
class VAE:
    """Variational autoencoder with stacked multilayer perceptrons (Kingma & Welling 2014).

    ELBO(x) = E_q log p(x | z) - KL(q(z | x) || N(0, I)), maximised by Adam on one draw of z per
    row; the loss is summed over chains and averaged within, so no chain feels another.

    hidden: widths of the encoder's hidden layers (the decoder mirrors them). latent: size of z.
    likelihood: ``bernoulli`` (pixels) or ``gaussian``; variance: of the Gaussian likelihood, in
    squared data units, None = learned, one number per chain (Rybkin et al. 2021).
    steps: updates per fit, equal for all generations and policies; or epochs, and then a fit's
    work grows with its training set. batch: rows per update. rate: Adam's learning rate.
    start: ``cold`` (new weights every generation) or ``warm`` (go on from the previous fit).
    """

    offers: ClassVar[frozenset[str]] = frozenset({"likelihood"})

    hidden: tuple[int, ...] = (400,)
    latent: int = 20
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    variance: float | None = None
    steps: int | None = 1200
    epochs: float | None = None
    batch: int = 32
    rate: float = 3e-3
    start: Literal["cold", "warm"] = "cold"

    def __post_init__(self) -> None:
        require(all(w >= 1 for w in self.hidden), "hidden", self.hidden, "give widths >= 1")
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

    def check(self, space: Space) -> None:
        """Refuse a Bernoulli likelihood on rows that are not pixels."""
        if self.likelihood == "bernoulli" and not space.image:
            remedy = "these rows are vectors; use model.likelihood=gaussian"
            raise BadInput("likelihood", self.likelihood, remedy)

    def stacks(self, space: Space) -> bool:
        """Whether every matrix of a chain fills whole 64-byte lines, 16 numbers each.

        Where a chain's matrix starts inside a line, the CPU's matrix product may round otherwise
        than it does for the chain alone.
        """
        sizes = [self.batch, *(a * b for layer in self._widths(space) for a, b in layer)]
        return all(size % LINE == 0 for size in sizes)

    def fit(
        self,
        training: TrainingSet,
        streams: Streams,
        previous: Fit | None = None,
        progress: Progress = silent,
    ) -> VAEFit:
        """R independent fits by Adam; ``progress(done, total)`` is called after every step."""
        if self.start == "warm" and previous is not None:
            weights = {k: v.clone() for k, v in previous.state_dict().items()}
        else:
            weights = self._initial(training.space, streams("init"))
        widths = {name: weight.shape[-1] for name, weight in weights.items()}
        leaves = {name: _padded(weight).requires_grad_() for name, weight in weights.items()}
        # capturable keeps the step counter on a GPU, so that no step waits for it.
        on_gpu = training.rows.is_cuda
        adam = torch.optim.Adam(leaves.values(), self.rate, fused=True, capturable=on_gpu)
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

    def restore(self, state: Mapping[str, Tensor], space: Space) -> VAEFit:
        """The fit whose ``state_dict()`` this is."""
        return VAEFit(self.likelihood, self.variance, dict(state), space)

    def updates(self, m: int) -> int:
        """Updates of one fit on m rows: ``steps``, or ceil(epochs m / batch)."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, math.ceil(self.epochs * m / self.batch))

    def _widths(self, space: Space) -> list[list[tuple[int, int]]]:
        """Numbers in and out of every layer, of the encoder and of the decoder."""
        encoder = [space.size, *self.hidden, 2 * self.latent]
        decoder = [self.latent, *reversed(self.hidden), space.size]
        return [list(pairwise(widths)) for widths in (encoder, decoder)]

    def _initial(self, space: Space, draws: Draws) -> dict[str, Tensor]:
        """Uniform(+-1/sqrt(in)) weights and biases, torch.nn.Linear's default."""
        weights = {}
        for name, layers in zip(("encoder", "decoder"), self._widths(space), strict=True):
            for i, (a, b) in enumerate(layers):
                bound = 1 / math.sqrt(a)
                weights[f"{name}.{i}.weight"] = (2 * draws.uniform(a, b) - 1) * bound
                weights[f"{name}.{i}.bias"] = (2 * draws.uniform(1, b) - 1) * bound
        if self.likelihood == "gaussian" and self.variance is None:
            weights["log_variance"] = 0 * draws.uniform(1, 1)
        return weights


@dataclass(frozen=True)
class VAEFit:
    """R fitted variational autoencoders: weights ``[R, in, out]``, biases ``[R, 1, out]``."""

    likelihood: str
    variance: float | None
    weights: dict[str, Tensor]
    space: Space

    def state_dict(self) -> dict[str, Tensor]:
        """Every tensor, chain axis first."""
        return self.weights

    def report(self) -> dict[str, Tensor]:
        """The learned variance of the Gaussian likelihood, if it was learned, ``[R]``."""
        if "log_variance" not in self.weights:
            return {}
        return {"fit_variance": self.weights["log_variance"].exp().flatten().double()}

    def bound(self, x: Tensor, eps: Tensor) -> Tensor:
        """ELBO per row on given noise: x [R, B, D] floats, eps [R, B, L] to ``[R, B]`` nats."""
        mean, log_var = self.encode(x)
        z = mean + (0.5 * log_var).exp() * eps
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1)
        return self.log_likelihood(x, self.decode(z)) - kl

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), both ``[R, B, L]``."""
        mean, log_var = self._mlp("encoder", x).chunk(2, -1)
        return mean, log_var

    def decode(self, z: Tensor) -> Tensor:
        """Logits (Bernoulli) or means (Gaussian) of the pixels, ``[R, B, D]``."""
        return self._mlp("decoder", z)

    def log_likelihood(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x | z) per row, ``[R, B]`` nats, from the decoder's output."""
        if self.likelihood == "bernoulli":
            # Written out: torch's own kernel rounds a row differently by its place in memory.
            softplus = output.clamp(min=0) + (1 + (-output.abs()).exp()).log()
            return (x * output - softplus).sum(-1)
        log_var = self._log_variance(output)[..., 0]  # [R, 1] or [1, 1]
        error = (x - output).square().sum(-1) * (-log_var).exp()
        return -0.5 * (error + x.shape[-1] * (log_var + math.log(2 * math.pi)))

    @torch.no_grad()
    def sample(self, n: int, streams: Streams, sampling: Sampling) -> Tensor:
        """n stored rows per chain ``[R, n, D]``, z ~ N(0, I); pixels or means of pixels."""
        latent, pixel = streams("sample.latent"), streams("sample.pixel")
        z = latent.normal(n, self.latent) * math.sqrt(sampling.temperature)
        out = []
        for part in z.split(_rows_at_once(z, self.space.size), dim=1):
            output = self.decode(part)
            if self.likelihood == "bernoulli":
                mean = 1 / (1 + (-output).exp())
                if sampling.decode == "sample":
                    mean = (pixel.uniform(*mean.shape[1:]) < mean).float()
            else:
                mean = output
                if sampling.decode == "sample":
                    scale = (0.5 * self._log_variance(output)).exp()
                    mean = mean + scale * pixel.normal(*mean.shape[1:])
            out.append(self.space.stored(mean))
        return torch.cat(out, 1)

    @property
    def latent(self) -> int:
        """L, the size of z."""
        return self.weights["decoder.0.weight"].shape[1]

    @torch.no_grad()
    def elbo(self, rows: Tensor, streams: Streams) -> Tensor:
        """Lower bound of log p(x) for stored rows [H, D] shared by all chains: ``[R, H]`` nats."""
        return self._by_blocks(rows, streams("elbo"), self.bound)

    @torch.no_grad()
    def iwae(self, rows: Tensor, samples: int, streams: Streams) -> Tensor:
        """Importance-weighted bound, ``[R, H]`` nats (Burda, Grosse & Salakhutdinov 2016).

        log (1/S) sum_s p(x, z_s) / q(z_s | x), z_s ~ q; it rises to log p(x) with S.
        """
        draws = streams("iwae")
        bounds = [self._by_blocks(rows, draws, self._log_weight) for _ in range(samples)]
        return torch.stack(bounds, -1).logsumexp(-1) - math.log(samples)

    def _by_blocks(
        self, rows: Tensor, draws: Draws, bound: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """A bound on one draw of z per row, ``[R, H]``, in blocks of rows."""
        eps = draws.normal(len(rows), self.latent)
        out, size = [], _rows_at_once(eps, self.space.size)
        for part, noise in zip(rows.split(size), eps.split(size, dim=1), strict=True):
            x = self.space.floats(part).expand(len(eps), -1, -1)
            out.append(bound(x, noise))
        return torch.cat(out, 1)

    def _log_weight(self, x: Tensor, eps: Tensor) -> Tensor:
        """log p(x | z) + log p(z) - log q(z | x) at z = mean + sd eps, ``[R, B]``."""
        mean, log_var = self.encode(x)
        z = mean + (0.5 * log_var).exp() * eps
        log_ratio = 0.5 * (eps.square() + log_var - z.square()).sum(-1)
        return self.log_likelihood(x, self.decode(z)) + log_ratio

    def _log_variance(self, like: Tensor) -> Tensor:
        if "log_variance" in self.weights:
            return self.weights["log_variance"]
        assert self.variance is not None
        return torch.full_like(like[:1, :1, :1], math.log(self.variance))

    def _mlp(self, name: str, x: Tensor) -> Tensor:
        layers = sum(key.startswith(name) for key in self.weights) // 2
        for i in range(layers):
            weight, bias = self.weights[f"{name}.{i}.weight"], self.weights[f"{name}.{i}.bias"]
            x = torch.baddbmm(bias, x, weight)
            if i < layers - 1:
                x = x.relu()
        return x


def _padded(weight: Tensor) -> Tensor:
    """``[R, a, b]`` with b widened until a chain's part fills whole 64-byte vectors.

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


def _rows_at_once(like: Tensor, size: int) -> int:
    """Rows per block so that one block of floats ``[R, rows, D]`` stays near 64 MiB."""
    return max(1, (1 << 24) // (len(like) * size))
