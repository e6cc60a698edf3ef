"""What a judge of rows is asked, and what it says."""

from __future__ import annotations

from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor


class Classification(NamedTuple):
    """What a judge says of M rows.

    label ``[M]`` int64: the likeliest of the C classes. confidence ``[M]`` float32: its
    probability among all outputs. is_none ``[M]`` bool: whether "none of these" is
    likelier than every class; never where the judge has no such output.
    """

    label: Tensor
    confidence: Tensor
    is_none: Tensor


class Classifier(Protocol):
    """A frozen judge trained on real rows only; a pure function, asked one chain at a
    time.

    Where there are no classes its features are the rows themselves and ``classify`` is
    never called.
    """

    @property
    def sha256(self) -> str:
        """Hash of what it judges by, recorded by every run."""
        ...

    @property
    def width(self) -> int:
        """F, units of the last hidden layer; of vectors their columns."""
        ...

    def to(self, device: torch.device) -> Self:
        """The same judge on another device."""
        ...

    def describe(self, rows: Tensor) -> Tensor:
        """Features of several depths ``[M, G]`` of stored rows ``[M, D]``: float32, or
        vectors as they are, float64.

        The first F are those of the last hidden layer.
        """
        ...

    def classify(self, features: Tensor) -> Classification:
        """What it says of rows by their features ``[M, F or more]``."""
        ...

    def probabilities(self, features: Tensor) -> Tensor:
        """Probabilities ``[M, C]`` of the C classes alone, which sum to 1, by such
        features."""
        ...
