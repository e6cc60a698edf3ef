"""The floor: what bytes and flops alone would cost a VAE's step on this device."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nc_testbed.bench.measure import alternately, line, wait
from nc_testbed.bench.vae import BATCH, EPOCH, HIDDEN, LATENT, USUAL, images, stacked
from nc_testbed.core.machine import CORES, Compute, each, matmul_precision, memory_limit

LAYERS = ((784, HIDDEN), (HIDDEN, 2 * LATENT), (LATENT, HIDDEN), (HIDDEN, 784))
COPIED = 1 << 24
"""Numbers that are copied at once: 64 MiB, more than a processor's cache."""


def floor(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Rates of this device, and the share of the floor that the fit's epoch reaches.

    floor = flops / (measured rate of the step's largest product) + bytes / (measured copy rate)
    """
    R, steps = USUAL[device.type], -(-EPOCH[device.type] // BATCH)
    copies, products = 8, 32
    fit, product, copy = alternately(
        [
            stacked(images(device), R),
            multiplied(device, R, products),
            copied(device, copies),
        ],
        3,
    )
    flops = 2 * BATCH * 784 * HIDDEN * R * products / statistics.median(product)
    bytes_ = 2 * 4 * COPIED * copies / statistics.median(copy)
    least = steps * R * (flops_of_a_step() / flops + bytes_of_a_step() / bytes_)
    share = least / statistics.median(fit)
    return [
        line(f"matrix rate, {BATCH}x784x{HIDDEN}, R = {R}", product, "TFLOP/s", flops / 1e12),
        line("copy rate", copy, "GB/s", bytes_ / 1e9),
        line(f"VAE epoch, R = {R}: share of the floor reached", fit, "of 1", share),
    ]


def flops_of_a_step() -> float:
    """Flops of one chain's step: three products per layer, forward and for both gradients, less
    the gradient of the pixels, which nobody asks for.

    >>> f"{flops_of_a_step():.3g}"
    '4.2e+08'
    """
    return 2 * BATCH * (3 * sum(a * b for a, b in LAYERS) - 784 * HIDDEN)


def bytes_of_a_step() -> float:
    """Bytes that Adam has to move for one chain: it reads weights, gradients and two moments, and
    writes all but the gradients, float32.

    >>> f"{bytes_of_a_step():.3g}"
    '1.83e+07'
    """
    return 7 * 4 * sum((a + 1) * b for a, b in LAYERS)


def multiplied(device: torch.device, R: int, times: int) -> Callable[[], None]:
    """The first layer's product of every chain, as the fit does it: a chain per core on a CPU."""
    x, w = torch.rand(R, BATCH, 784, device=device), torch.rand(R, 784, HIDDEN, device=device)
    parts = [(x, w)] if x.is_cuda else list(zip(x.chunk(CORES), w.chunk(CORES), strict=True))

    def many(part: tuple[Tensor, Tensor]) -> None:
        out = torch.bmm(*part)
        for _ in range(times - 1):
            torch.bmm(*part, out=out)

    def run() -> None:
        with (
            memory_limit(Compute(), device),
            matmul_precision(device),
        ):  # on a GPU rounded as in a fit
            each(many, parts, device)
        wait(device)

    return run


def copied(device: torch.device, times: int) -> Callable[[], None]:
    """Copies of 64 MiB from one place to another."""
    source = torch.rand(COPIED, device=device)
    target = torch.empty_like(source)

    def run() -> None:
        for _ in range(times):
            target.copy_(source)
        wait(device)

    return run
