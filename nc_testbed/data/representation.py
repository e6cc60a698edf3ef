"""What is done to stored rows before any chain
sees them: binarise, standardise, project."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from nc_testbed.core.errors import require
from nc_testbed.core.rng import Generators

_BLOCK = 4096
"""Rows drawn at a time, so that 60,000 images need no 200 MB of uniforms at once."""


def binarize(x: np.ndarray, draws: Generators) -> np.ndarray:
    """Pixels of ``x`` [N, D] uint8 drawn as 255 with probability v/255, else as 0.

    Source: R. Salakhutdinov and I. Murray 2008 (stochastic binarisation of MNIST).
    """
    out = np.empty_like(x)
    for start in range(0, len(x), _BLOCK):
        block = x[start : start + _BLOCK]
        u = draws.uniform(*block.shape)[0].numpy()
        out[start : start + _BLOCK] = (u * np.float32(255) < block) * np.uint8(255)
    return out


@dataclass(frozen=True)
class Standardization:
    """Columns brought to mean 0 and standard deviation 1: ``(x - zero - offset) / sd``.

    zero is a row, offset what the mean exceeds it by: one number could not hold both
    where a column is far from 0 for its width (metres, of rows that differ by
    centimetres). sd: ddof 0; 1 in a column that never varies, which is only centred. All
    ``[D]``.
    """

    zero: np.ndarray
    offset: np.ndarray
    sd: np.ndarray
    is_constant: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Self:
        """By the columns of rows ``[N, D]`` float64, of numbers up to 1e300.

        A constant added to a column changes nothing but rounding, and no bit where rows
        are whole numbers.
        """
        zero = x[0]
        gap = x - zero
        size = np.abs(gap).max(0)
        is_constant = size == 0
        # In units of the widest gap: squares of very large or small numbers would be lost.
        sd = size * (gap / np.where(is_constant, 1, size)).std(0)
        return cls(zero, gap.mean(0), np.where(is_constant, 1, sd), is_constant)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self | None:
        """What the stored rows of data with this record were standardised by.

        None where they were not, or were projected on other axes afterwards.
        """
        kept = record.get("standardized")
        if kept is None or record.get("projection") is not None:
            return None
        parts = [np.array(kept[name], dtype=np.float64) for name in ("zero", "offset", "sd")]
        is_constant = np.isin(np.arange(len(parts[0])), kept["constant_columns"])
        return cls(*parts, is_constant)

    def as_record(self) -> dict[str, Any]:
        """What gives the units back, ``x = zero + offset + sd z``, for a run's record."""
        parts = {"zero": self.zero, "offset": self.offset, "sd": self.sd}
        constant = np.flatnonzero(self.is_constant).tolist()
        return {name: part.tolist() for name, part in parts.items()} | {
            "constant_columns": constant
        }

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Rows ``[..., D]`` in standard deviations from the mean."""
        return (x - self.zero - self.offset) / self.sd

    def undo(self, z: np.ndarray) -> np.ndarray:
        """The rows ``[..., D]`` that :meth:`apply` gave these for."""
        return self.zero + (self.offset + self.sd * z)


def in_units_of_source(z: np.ndarray, record: Mapping[str, Any]) -> np.ndarray:
    """Stored rows ``[..., D]`` in the units in which their source gave them.

    record: the data's. Rows that were not standardised, or were projected, are as they
    are.

    >>> record = {"standardized": Standardization.of(np.array([[8.0], [12.0]])).as_record()}
    >>> in_units_of_source(np.array([[1.5]]), record)
    array([[13.]])
    """
    units = Standardization.from_record(record)
    return z if units is None else units.undo(z)


def in_stored_units(x: np.ndarray, record: Mapping[str, Any]) -> np.ndarray:
    """Rows ``[..., D]`` in the units of their source as a run stores them, the same bits:
    the inverse of :func:`in_units_of_source`."""
    units = Standardization.from_record(record)
    return x if units is None else units.apply(x)


def project(
    x: np.ndarray, others: np.ndarray, dimensions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both tables on the first principal axes of ``x`` [N, D], float64
    ``[., dimensions]``.

    Raises BadInput (``projection``) above min(N, D). Source: scikit-learn's PCA, an exact
    solver (its default picks a randomised one for some shapes).
    """
    most = min(x.shape)
    require(dimensions <= most, "projection", dimensions, f"give at most {most}, or null")
    # Imported here: it takes a second, and few runs project.
    from sklearn.decomposition import PCA

    solver = "covariance_eigh" if len(x) >= x.shape[1] else "full"
    pca = PCA(dimensions, svd_solver=solver)
    projected = pca.fit_transform(x)
    # It refuses to project no rows, as calibrators may be.
    return projected, pca.transform(others) if len(others) else projected[:0]


def sha256(x: np.ndarray) -> str:
    """Hexadecimal sha256 of the array's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data).hexdigest()
