"""The space of rows: pictures of bytes, or vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

# torch takes more than a second to import, and a wrong name or range needs none of it.
if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Space:
    """The space of rows: images are stored as uint8 0..255, vectors as float64.

    Rows are stored flat, ``[..., D]`` with ``D = prod(event)``; ``event`` is the shape a
    picture or a convolution needs: ``(H, W)`` or ``(C, H, W)`` for images, ``(D,)`` for
    vectors.

    >>> import torch
    >>> digits = Space((8, 8), image=True)
    >>> digits.size, digits.floats(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
    (64, [0.0, 1.0])
    """

    event: tuple[int, ...]
    image: bool

    @property
    def size(self) -> int:
        """D, the number of coordinates of one row."""
        return math.prod(self.event)

    @property
    def dtype(self) -> torch.dtype:
        """The type rows are stored in."""
        import torch

        return torch.uint8 if self.image else torch.float64

    def floats(self, rows: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Stored rows as numbers that a model works on: pixels in [0, 1], vectors as they
        are.

        dtype: float32 by default.
        """
        import torch

        numbers = rows.to(dtype or torch.float32)
        return numbers / 255 if self.image else numbers

    def stored_form(self, values: Tensor) -> Tensor:
        """A model's numbers as stored rows: pixels clipped to [0, 1] and rounded to
        1/255.

        NaN is stored as pixel 0 (a cast of NaN to uint8 differs between machines) and
        stays NaN in a vector.
        """
        if not self.image:
            return values.to(self.dtype)
        return (values.nan_to_num(nan=0.0).clamp_(0, 1) * 255).round_().to(self.dtype)
