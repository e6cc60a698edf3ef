"""Memory for the rows of a run: on the device, in
pinned memory beside it, or in a file."""

from __future__ import annotations

import math
import os
import tempfile

import torch
from torch import Tensor

from nc_testbed.core.machine import total

HOST = torch.device("cpu")


def storage(
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device,
    room: float,
    folder: str | None,
) -> Tensor:
    """Uninitialised numbers on the device if they fit into ``room`` bytes, else outside
    of it.

    Beside a GPU that is pinned host memory, if half of that memory holds them, which the
    GPU reads without a copy in between. Else they lie in a file without a name in the
    folder (None: the system's own for such files), which is gone when the run ends,
    however it ends. Raises OSError where the disk has no room for it.

    >>> storage((2, 3), torch.uint8, HOST, 0, None).shape
    torch.Size([2, 3])
    """
    needed = math.prod(shape) * dtype.itemsize
    if needed <= room or needed == 0:
        return torch.empty(shape, dtype=dtype, device=device)
    if device.type == "cuda" and needed <= total(HOST) // 2:
        return torch.empty(shape, dtype=dtype, pin_memory=True)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        # Reserved now: a full disk would otherwise kill the run by a signal when rows are written.
        os.posix_fallocate(file.fileno(), 0, needed)
        flat = torch.from_file(file.name, shared=True, size=math.prod(shape), dtype=dtype)
    return flat.view(shape)
