"""Noisy curves in the plane, of the kernel density study: two moons and a Swiss roll."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from nc_testbed.core.rng import Generators
from nc_testbed.data.exact_source import ClassLaws, ExactSource
from nc_testbed.data.ranges import check_range


@final
@dataclass(frozen=True, kw_only=True)
class Moons(ExactSource):
    """Two interleaving half circles; a row's class is its moon. No closed density.

    ``(cos t, sin t)`` or ``(1 - cos t, 1/2 - sin t)``, t uniform on [0, pi], plus
    Gaussian noise. noise: its standard deviation, >= 0, in units of the radius. Source:
    scikit-learn's ``make_moons`` with independent rows, as in the study of J. Kazdan et
    al. 2024 (https://arxiv.org/abs/2410.16713); the default noise is ours.
    """

    noise: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("noise", self.noise, 0)

    def class_laws(self) -> ClassLaws:
        """The upper and the lower moon."""

        def rows_of(labels: Tensor, draws: Generators) -> Tensor:
            t = math.pi * draws.uniform(labels.shape[1], dtype=torch.float64)
            upper = torch.stack([t.cos(), t.sin()], -1)
            lower = torch.stack([1 - t.cos(), 0.5 - t.sin()], -1)
            noise = draws.normal(labels.shape[1], 2, dtype=torch.float64)
            return torch.where((labels == 0)[..., None], upper, lower) + self.noise * noise

        return ClassLaws("moons", ("upper", "lower"), rows_of)


@final
@dataclass(frozen=True, kw_only=True)
class SwissRoll(ExactSource):
    """A spiral: the plane of a Swiss roll across its axis. Unlabelled, no closed density.

    ``(t cos t, t sin t)``, t uniform on [3 pi/2, 9 pi/2], plus Gaussian noise. noise: its
    standard deviation, >= 0, in the units of t (turns lie 2 pi apart). Source:
    scikit-learn's ``make_swiss_roll`` (S. Marsland 2014), coordinates x and z, as in the
    study of J. Kazdan et al. 2024 (https://arxiv.org/abs/2410.16713); the default noise
    is ours.
    """

    noise: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("noise", self.noise, 0)

    def class_laws(self) -> ClassLaws:
        """The spiral, a single class without a name."""

        def rows_of(labels: Tensor, draws: Generators) -> Tensor:
            u = draws.uniform(labels.shape[1], dtype=torch.float64)
            t = 1.5 * math.pi * (1 + 2 * u)
            noise = draws.normal(labels.shape[1], 2, dtype=torch.float64)
            return torch.stack([t * t.cos(), t * t.sin()], -1) + self.noise * noise

        return ClassLaws("swiss_roll", (), rows_of)
