"""How much of a machine a run takes at once, and how it multiplies: never what it computes."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch

from nc_testbed.core.exactness import one_thread

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

CORES = torch.get_num_threads()
"""Cores to use: what torch finds, or OMP_NUM_THREADS."""

RAN_OUT = "memory ran out"
SAID = ("can't allocate memory", "Cannot allocate memory", "out of memory", "ALLOC_FAILED",
        "could not create a primitive", "can't start new thread")  # fmt: skip
"""How torch, the system, CUDA's libraries, oneDNN and threads say so in errors of no own kind."""


def no_message(line: str) -> None:
    """Whom nothing is said to."""


@dataclass
class Compute:
    """What a run may take of its machine at once; halved whenever memory runs out.

    chains: most chains taken together, None = all. memory: bytes of the device's memory, None =
    all of it: at most half for stored rows, the rest for what is made of them on the way.
    precision: of float32 products in fits on a GPU, ``tf32`` (10 bits of mantissa), ``float32``,
    or ``bf16`` (7 bits), which a CPU has too. compile: whether losses are compiled. say: told
    when memory has run out.
    """

    chains: int | None = None
    memory: int | None = None
    precision: Literal["tf32", "float32", "bf16"] = "tf32"
    compile: bool = False
    say: Callable[[str], None] = no_message
    halvings: int = 0

    def budget(self, device: torch.device) -> int:
        """Bytes of the device's memory that the run may take."""
        return min(self.memory or total(device), total(device))

    def room(self, device: torch.device) -> int:
        """Bytes that one worker may take for what is not stored: a core, or a GPU."""
        workers = CORES if device.type == "cpu" else 1
        return self.budget(device) // 2 // workers >> self.halvings

    def together(self, chains: int, each: int, device: torch.device) -> int:
        """Chains that one worker takes at once, of those it has, at ``each`` bytes a chain."""
        most = min(chains, self.chains or chains) >> self.halvings
        return max(1, min(most, self.room(device) // max(1, each)))


_now = Compute()


def current() -> Compute:
    """What is in force: everything, outside of a run."""
    return _now


def at_once(each: int, most: int, device: torch.device) -> int:
    """How many things of ``each`` bytes to make at once: ``most`` bytes, or what the run has room
    for if that is less; 1 at least.

    >>> at_once(1000, 10_000, torch.device("cpu"))
    10
    """
    return max(1, min(most >> _now.halvings, _now.room(device)) // max(1, each))


@contextmanager
def memory_limit(compute: Compute, device: torch.device) -> Generator[None]:
    """Keep to this much of the machine; on a GPU the allocator itself refuses more."""
    global _now
    before, _now = _now, compute
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(compute.budget(device) / total(device))
    try:
        with _rounded(False, device):
            yield
    finally:
        _now = before


@contextmanager
def matmul_precision(device: torch.device) -> Generator[None]:
    """Float32 products of a fit in the precision in force; outside of fits none is rounded.

    TF32 and bfloat16 round the factors of a product, not its sum.
    """
    tf32, bf16 = _now.precision == "tf32", _now.precision == "bf16"
    # A cache of rounded weights would outlive the step that is recorded on a GPU.
    rounded = torch.autocast(device.type, torch.bfloat16, enabled=bf16, cache_enabled=False)
    with _rounded(tf32, device), rounded:
        yield


@contextmanager
def _rounded(tf32: bool, device: torch.device) -> Generator[None]:
    """Factors of float32 products on a GPU; a CPU's workers share these switches and need none.

    torch has newer switches, but its compiler asks the old ones and fails where both are used.
    """
    if device.type == "cpu":
        yield
        return
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        cudnn.allow_tf32 = tf32
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32 = before[1]


def within_memory(work: Callable[[], T], chains: int) -> T:
    """``work()`` on so many chains, again with half as much at once whenever memory runs out.

    Raises MemoryError when a chain by itself does not fit.
    """
    while True:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
            said = str(error).split("\n")[0]
        # Only here, outside, are the tensors free that the error's traceback held.
        if chains >> _now.halvings <= 1:
            raise MemoryError(f"{RAN_OUT} with a single chain at once: {said}")
        _now.halvings += 1
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _now.say(f"{RAN_OUT}, so half as many chains are taken at once from here on: {said}")


def ran_out(error: BaseException) -> bool:
    """Whether memory has run out, in this error or in the one that it followed upon: a step that
    cannot be recorded for want of memory is then called invalid.

    >>> ran_out(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    True
    """
    named = isinstance(error, MemoryError | torch.OutOfMemoryError)
    before = error.__context__
    said = isinstance(error, RuntimeError | OSError) and any(text in str(error) for text in SAID)
    return named or said or (before is not None and ran_out(before))


def total(device: torch.device) -> int:
    """Bytes of memory that the device has."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def each(function: Callable[[A], B], items: Sequence[A], device: torch.device) -> list[B]:
    """``[function(item) for item in items]``; on a CPU several at a time, one per core.

    >>> each(lambda x: x * x, [1, 2, 3], torch.device("cpu"))
    [1, 4, 9]
    """
    if device.type != "cpu" or len(items) == 1 or CORES == 1:
        return [function(item) for item in items]
    # A new thread's first matrix product would be split, whatever the thread that made it does.
    with one_thread(), ThreadPoolExecutor(CORES, "", torch.set_num_threads, (1,)) as pool:
        return list(pool.map(function, items))
