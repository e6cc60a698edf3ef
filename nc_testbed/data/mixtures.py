"""Mixtures of isotropic Gaussians in the plane: a ring, a grid, blobs. Exact density."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from nc_testbed.core.rng import SHARED, Generators, RandomStreams
from nc_testbed.data.exact_source import ClassLaws, ExactSource
from nc_testbed.data.ranges import check_at_least


@final
@dataclass(frozen=True, kw_only=True)
class Mixture2d(ExactSource):
    """The mode-counting mixtures of VEEGAN and PacGAN; a row's class is its mode.

    layout: ``ring``, 8 modes ``(cos(2 pi i/8), sin(2 pi i/8))`` of standard deviation
    0.01, or ``grid``, 25 modes ``(-4 + 2i, -4 + 2j)`` of standard deviation 0.05. Source:
    A. Srivastava et al. 2017 (https://arxiv.org/abs/1705.07761), with the numbers of Z.
    Lin et al. 2018 (https://arxiv.org/abs/1712.04086).
    """

    layout: Literal["ring", "grid"] = "ring"

    def class_laws(self) -> ClassLaws:
        """Eight or twenty-five narrow Gaussians."""
        if self.layout == "ring":
            angles = [2 * math.pi * i / 8 for i in range(8)]
            centres = [(math.cos(angle), math.sin(angle)) for angle in angles]
            return gaussians("mixture2d", centres, 0.01)
        steps = [-4.0, -2.0, 0.0, 2.0, 4.0]
        return gaussians("mixture2d", [(a, b) for a in steps for b in steps], 0.05)


@final
@dataclass(frozen=True, kw_only=True)
class Blobs(ExactSource):
    """Unit Gaussians in the plane; a row's class is its blob.

    centres: how many. One lies at the origin, as in the GMM study of I. Shumailov et al.
    2024 (https://doi.org/10.1038/s41586-024-07566-y); more are uniform on [-10, 10]^2, as
    in scikit-learn's ``make_blobs``, drawn once by a stream that no seed changes.
    """

    centres: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("centres", self.centres, 1)

    def class_laws(self) -> ClassLaws:
        """The blobs around their centres."""
        if self.centres == 1:
            return gaussians("blobs", [(0.0, 0.0)], 1.0)
        draws = RandomStreams(0, (SHARED,))("centres")
        u = draws.uniform(self.centres, 2, dtype=torch.float64)[0]
        return gaussians("blobs", [(a, b) for a, b in (20 * u - 10).tolist()], 1.0)


def gaussians(name: str, centres: list[tuple[float, float]], scale: float) -> ClassLaws:
    """Isotropic Gaussians ``N(centre_c, scale^2 I)`` in the plane.

    ``log p(x | c) = -|x - centre_c|^2 / (2 scale^2) - log(2 pi scale^2)``.
    """
    points = torch.tensor(centres, dtype=torch.float64)  # [C, 2]

    def rows_of(labels: Tensor, draws: Generators) -> Tensor:
        noise = draws.normal(labels.shape[1], 2, dtype=torch.float64)
        return points.to(labels.device)[labels] + scale * noise

    def log_densities(x: Tensor) -> Tensor:
        squares = (x[..., None, :] - points.to(x.device)).square().sum(-1)  # [..., C]
        return -squares / (2 * scale**2) - math.log(2 * math.pi * scale**2)

    names = tuple(str(c) for c in range(len(centres)))
    return ClassLaws(name, names, rows_of, log_densities, points, scale)
