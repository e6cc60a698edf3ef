"""How the benchmark measures, and how it says what it measured."""

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
    """Seconds of every function, each repeat beside the others', after one unmeasured call."""
    for function in functions:
        function()
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, times in zip(functions, seconds, strict=True):
            began = time.perf_counter()
            function()
            times.append(time.perf_counter() - began)
    return seconds


def line(what: str, seconds: Sequence[float], unit: str, value: float) -> dict[str, Any]:
    """A row of the table: the value, and the times of the arm that it rests on.

    >>> line("a loop", [1.0, 3.0, 2.0], "x", 2.0)["text"]
    '2.00 x (median of 3, 1.00 to 3.00 s)'
    """
    text = f"{value:.2f} {unit} (median of {len(seconds)}, {min(seconds):.2f} to "
    return {
        "what": what,
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


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times as long theirs took, the median over repeats.

    >>> ratio([1.0, 1.0, 1.0], [2.0, 9.0, 3.0])
    3.0
    """
    return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


def wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was given; a CPU has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
