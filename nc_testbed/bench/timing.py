"""Times of functions measured side by side, and rows of the table made of them."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

REPEATS = 5


def alternately(
    functions: Sequence[Callable[[], Any]], repeats: int = REPEATS
) -> list[list[float]]:
    """Seconds of every function in every repeat, after one call that is not measured.

    A repeat calls all functions in turn, so that a slow moment of the machine meets them
    all.
    """
    for function in functions:
        function()
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, times in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
    return seconds


def table_row(name: str, seconds: Sequence[float], unit: str, value: float) -> dict[str, Any]:
    """A row of the table: the value, and the times that it rests on.

    >>> table_row("a loop", [1.0, 3.0, 2.0], "x", 2.0)["text"]
    '2.00 x (median of 3, 1.00 to 3.00 s)'
    """
    text = f"{value:.2f} {unit} (median of {len(seconds)}, {min(seconds):.2f} to "
    return {
        "what": name,
        "value": value,
        "unit": unit,
        "seconds": list(seconds),
        "text": f"{text}{max(seconds):.2f} s)",
    }


def processor() -> str:
    """The name of this machine's processor."""
    info = Path("/proc/cpuinfo")
    names = info.read_text().split("model name")[1:2] if info.is_file() else []
    return names[0].split("\n")[0].strip(" \t:") if names else platform.processor()


def ratio(seconds: Sequence[float], others: Sequence[float]) -> float:
    """How many times as long the others took, the median over repeats.

    >>> ratio([1.0, 1.0, 1.0], [2.0, 9.0, 3.0])
    3.0
    """
    return statistics.median(b / a for a, b in zip(seconds, others, strict=True))


def wait(device: torch.device) -> None:
    """Wait until a GPU has finished its work; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
