"""How much of the machine a run takes: cores, memory, and the precision of products.

None of it changes what a run computes, but for the precision on a GPU.
"""

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
MESSAGES = ("can't allocate memory", "Cannot allocate memory", "out of memory", "ALLOC_FAILED",
            "could not create a primitive", "can't start new thread")  # fmt: skip
"""How torch, the system, CUDA's libraries, oneDNN and
threads put it in errors of general types."""


def no_message(line: str) -> None:
    """A message callback that does nothing."""


@dataclass
class Compute:
    """What a run may take of its machine at once; halved whenever memory runs out.

    chains: most chains taken together, None = all. memory: bytes of the device's memory,
    None = all of it: at most half for stored rows, the rest for what is made of them on
    the way. precision: of float32 products in fits on a GPU, ``tf32`` (10 bits of
    mantissa), ``float32``, or ``bf16`` (7 bits), which a CPU has too. compile: whether
    losses are compiled. say: called with a line when memory has run out. halvings: how
    often it has.
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
        """Bytes that one worker, a core or a GPU, may take for what is not stored."""
        workers = CORES if device.type == "cpu" else 1
        return self.budget(device) // 2 // workers >> self.halvings

    def together(self, chains: int, bytes_per_chain: int, device: torch.device) -> int:
        """How many of its chains one worker takes at once; at least 1."""
        most = min(chains, self.chains or chains) >> self.halvings
        return max(1, min(most, self.room(device) // max(1, bytes_per_chain)))


_now = Compute()


def current() -> Compute:
    """The limits in force; outside of :func:`memory_limit` the whole machine."""
    return _now


def at_once(item_bytes: int, most: int, device: torch.device) -> int:
    """How many items to compute at once, so that they take at most ``most`` bytes, or
    what the run has room for if that is less; at least 1.

    >>> at_once(1000, 10_000, torch.device("cpu"))
    10
    """
    return max(1, min(most >> _now.halvings, _now.room(device)) // max(1, item_bytes))


@contextmanager
def memory_limit(compute: Compute, device: torch.device) -> Generator[None]:
    """Context that keeps to these limits; on a GPU the allocator itself refuses more."""
    global _now
    before = _now
    _now = compute
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(compute.budget(device) / total(device))
    try:
        with _use_tf32(False, device):
            yield
    finally:
        _now = before


@contextmanager
def matmul_precision(device: torch.device) -> Generator[None]:
    """Context of a fit: its float32 products have the precision in force, others never
    less.

    TF32 and bfloat16 round the factors of a product, not its sum.
    """
    tf32 = _now.precision == "tf32"
    bf16 = _now.precision == "bf16"
    # A cache of rounded weights would outlive the step that is recorded on a GPU.
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=bf16, cache_enabled=False)
    with _use_tf32(tf32, device), autocast:
        yield


@contextmanager
def _use_tf32(tf32: bool, device: torch.device) -> Generator[None]:
    """Context in which a GPU rounds the factors of float32 products to TF32, or does not.

    A CPU's workers share these switches and need none. torch has newer ones, but its
    compiler asks for the old ones and fails where both are used.
    """
    if device.type == "cpu":
        yield
        return
    cudnn = torch.backends.cudnn
    precision_before = torch.get_float32_matmul_precision()
    cudnn_before = cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        cudnn.allow_tf32 = tf32
        yield
    finally:
        torch.set_float32_matmul_precision(precision_before)
        cudnn.allow_tf32 = cudnn_before


def within_memory(work: Callable[[], T], chains: int) -> T:
    """``work()``, tried again with half as many chains at once whenever memory runs out.

    Raises MemoryError when a chain by itself does not fit.
    """
    while True:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
            message = str(error).split("\n")[0]
        # Only out here are the tensors free that the traceback of the error refers to.
        if chains >> _now.halvings <= 1:
            raise MemoryError(f"{RAN_OUT} with a single chain at once: {message}")
        _now.halvings += 1
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _now.say(f"{RAN_OUT}, so half as many chains are taken at once from here on: {message}")


def ran_out(error: BaseException) -> bool:
    """Whether memory has run out, in this error or in the one that it came from.

    A step that cannot be recorded on a GPU for want of memory raises a second error,
    which says that the recording is invalid.

    >>> ran_out(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    True
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, RuntimeError | OSError):
        message = str(error)
        if any(text in message for text in MESSAGES):
            return True
    return error.__context__ is not None and ran_out(error.__context__)


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
    # A new thread begins with the threads of the process, whatever the one that made it has set.
    with one_thread(), ThreadPoolExecutor(CORES, "", torch.set_num_threads, (1,)) as pool:
        return list(pool.map(function, items))
