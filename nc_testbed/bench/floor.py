"""The floor of a VAE's step: the time that its
bytes and flops alone take on this device."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nc_testbed.bench.timing import alternately, table_row, wait
from nc_testbed.bench.vae_epoch import (
    BATCH,
    EPOCH,
    HIDDEN,
    LATENT,
    USUAL,
    images,
    stacked_epoch,
)
from nc_testbed.core.machine import CORES, Compute, each, matmul_precision, memory_limit

LAYERS = ((784, HIDDEN), (HIDDEN, 2 * LATENT), (LATENT, HIDDEN), (HIDDEN, 784))
COPIED = 1 << 24
"""Numbers in one copy: 64 MiB, more than a processor's cache."""


def compare_with_floor(device: torch.device, chains: int) -> list[dict[str, Any]]:
    """Rates of this device, and the floor of an epoch over the time that the fit takes
    for it.

    floor = flops / (measured rate of the step's largest product) + bytes / (measured copy
    rate)
    """
    R = USUAL[device.type]
    steps = -(-EPOCH[device.type] // BATCH)  # rounded up
    copies = 8
    products = 32
    epoch = stacked_epoch(images(device), R)
    work = [epoch, matrix_products(device, R, products), memory_copies(device, copies)]
    fit, product, copy = alternately(work, 3)
    flop_rate = 2 * BATCH * 784 * HIDDEN * R * products / statistics.median(product)
    byte_rate = 2 * 4 * COPIED * copies / statistics.median(copy)  # read and written, float32
    floor = steps * R * (flops_of_a_step() / flop_rate + bytes_of_a_step() / byte_rate)
    share = floor / statistics.median(fit)
    name = f"matrix rate, {BATCH}x784x{HIDDEN}, R = {R}"
    return [
        table_row(name, product, "TFLOP/s", flop_rate / 1e12),
        table_row("copy rate", copy, "GB/s", byte_rate / 1e9),
        table_row(f"VAE epoch, R = {R}: share of the floor reached", fit, "of 1", share),
    ]


def flops_of_a_step() -> float:
    """Flops of one chain's step: three products per layer, forward and for both
    gradients, less the gradient by the pixels, which is not needed.

    >>> f"{flops_of_a_step():.3g}"
    '4.2e+08'
    """
    return 2 * BATCH * (3 * sum(a * b for a, b in LAYERS) - 784 * HIDDEN)


def bytes_of_a_step() -> float:
    """Bytes that Adam moves for one chain: it reads weights, gradients and two moments,
    and writes all but the gradients, in float32.

    >>> f"{bytes_of_a_step():.3g}"
    '1.83e+07'
    """
    return 7 * 4 * sum((a + 1) * b for a, b in LAYERS)


def matrix_products(device: torch.device, R: int, times: int) -> Callable[[], None]:
    """The first layer's product of every chain, as
    the fit does it: a chain per core on a CPU."""
    x = torch.rand(R, BATCH, 784, device=device)
    w = torch.rand(R, 784, HIDDEN, device=device)
    parts = [(x, w)] if x.is_cuda else list(zip(x.chunk(CORES), w.chunk(CORES), strict=True))

    def multiply(part: tuple[Tensor, Tensor]) -> None:
        out = torch.bmm(*part)
        for _ in range(times - 1):
            torch.bmm(*part, out=out)

    def run() -> None:
        with memory_limit(Compute(), device), matmul_precision(device):  # rounded as in a fit
            each(multiply, parts, device)
        wait(device)

    return run


def memory_copies(device: torch.device, times: int) -> Callable[[], None]:
    """So many copies of 64 MiB."""
    source = torch.rand(COPIED, device=device)
    target = torch.empty_like(source)

    def run() -> None:
        for _ in range(times):
            target.copy_(source)
        wait(device)

    return run
