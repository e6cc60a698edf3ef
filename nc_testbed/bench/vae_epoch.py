"""An epoch of a variational autoencoder, per
chain, against the loops that people write."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from nc_testbed.bench.timing import alternately, ratio, table_row, wait
from nc_testbed.core.machine import CORES, Compute, each, matmul_precision, memory_limit
from nc_testbed.core.rng import RandomStreams, parts
from nc_testbed.core.space import Space
from nc_testbed.data.mnist import FILES, read_mnist
from nc_testbed.loop.archive import Archive
from nc_testbed.models.vae import VAE

BATCH = 128
HIDDEN = 400
LATENT = 20
EPOCH = {"cpu": 10_000, "cuda": 60_000}
"""Rows of an epoch."""
CHAINS = {"cpu": (1, 4, 8), "cuda": (1, 8, 64, 256)}
USUAL = {"cpu": 4, "cuda": 64}
"""Chains at which the other ways of computing are measured."""
WAYS = {
    "cpu": {"in bfloat16": Compute(precision="bf16")},
    "cuda": {"in bfloat16": Compute(precision="bf16"), "compiled": Compute(compile=True)},
}


class Usual(nn.Module):
    """The 784-400-20 autoencoder as tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(784, HIDDEN)
        self.mean = nn.Linear(HIDDEN, LATENT)
        self.log_var = nn.Linear(HIDDEN, LATENT)
        self.outer = nn.Linear(LATENT, HIDDEN)
        self.out = nn.Linear(HIDDEN, 784)

    def forward(self, x: Tensor) -> Tensor:
        """Negative ELBO of a batch ``[B, 784]``, nats per row."""
        h = self.inner(x).relu()
        mean = self.mean(h)
        log_var = self.log_var(h)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        logits = self.out(self.outer(z).relu())
        loss = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (loss + 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum()) / len(x)


def time_vae(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """One epoch of MNIST, 10,000 rows on a CPU and 60,000 on a GPU, in batches of 128.

    The stacked fit per chain, at several numbers of chains, against a DataLoader with
    eager Adam and against eager batches of a tensor on the device; then other ways of
    computing the same fit. ``chains`` changes nothing.
    """
    numbers = CHAINS[device.type]
    usual = USUAL[device.type]
    ways = WAYS[device.type]
    with tempfile.TemporaryDirectory() as folder:
        x = images(device)
        loader = DataLoader(_mnist(Path(folder), len(x)), BATCH, shuffle=True)
        rows = x.float() / 255
        arms: list[Callable[[], None]] = [
            lambda: usual_epoch((images for images, _ in loader), device),
            lambda: usual_epoch(random_batches(rows), device),
            *(stacked_epoch(x, R) for R in numbers),
            *(stacked_epoch(x, usual, compute) for compute in ways.values()),
        ]
        loaded, eager, *stacked = alternately(arms, 3)
    lines = []
    plain = stacked[numbers.index(usual)]
    for way, seconds in zip(ways, stacked[len(numbers) :], strict=True):
        name = f"VAE epoch, R = {usual}, against the same {way}"
        lines.append(table_row(name, seconds, "times the time", 1 / ratio(seconds, plain)))
    for R, seconds in zip(numbers, stacked, strict=False):
        per_chain = [total / R for total in seconds]
        for loop, others in (("torchvision and DataLoader", loaded), ("an eager loop", eager)):
            name = f"VAE epoch per chain, R = {R}, against {loop} over seeds"
            lines.append(table_row(name, seconds, "x", ratio(per_chain, others)))
    return lines


def random_batches(rows: Tensor) -> Iterator[Tensor]:
    """Batches of rows in random order, picked on the rows' device."""
    order = torch.randperm(len(rows), device=rows.device)
    return (rows[index] for index in order.split(BATCH))


def images(device: torch.device) -> Tensor:
    """The rows of an epoch, ``[N, 784]`` uint8."""
    return torch.from_numpy(read_mnist(FILES)[0][: EPOCH[device.type]].copy()).to(device)


def usual_epoch(batches: Iterable[Tensor], device: torch.device) -> None:
    """A new model and one pass of eager Adam over batches ``[B, ...]`` in [0, 1]."""
    model = Usual().to(device)
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    for x in batches:
        adam.zero_grad()
        loss = model(x.to(device).flatten(1))
        loss.backward()
        adam.step()
    wait(device)


def stacked_epoch(x: Tensor, chains: int, compute: Compute | None = None) -> Callable[[], None]:
    """The package's fit of so many chains to the
    same rows ``[N, 784]`` uint8, one epoch."""
    model = VAE(
        steps=None, epochs=1, batch_size=BATCH, lr=1e-3, hidden=(HIDDEN,), latent_dim=LATENT
    )
    return stacked_fit(x, chains, model, compute or Compute())


def stacked_fit(x: Tensor, chains: int, model: VAE, compute: Compute) -> Callable[[], None]:
    """The fit of so many chains of a model to the same rows ``[N, 784]`` uint8."""
    rows = torch.arange(len(x), device=x.device).expand(chains, -1)
    space = Space((28, 28), image=True)
    training = Archive(space, x[None], rows, rows[:, :0], n=1, window=1).view(rows)
    streams = RandomStreams(0, tuple(range(chains)), 0, x.device)
    together = chains if x.is_cuda else -(-chains // CORES)

    def fit(part: slice) -> None:
        with matmul_precision(x.device):
            model.fit(training.part(part), streams.part(part))

    def run() -> None:
        with memory_limit(compute, x.device):
            each(fit, list(parts(chains, together)), x.device)
        wait(x.device)

    return run


def _mnist(folder: Path, rows: int) -> Subset:
    """The first rows of torchvision's MNIST, from the package's own files."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in FILES.glob("*.gz"):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    return Subset(MNIST(folder, transform=ToTensor()), range(rows))
