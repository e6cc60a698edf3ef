"""Fourteen sanity checks of metrics of fidelity and diversity, on laws that are known.

After Raisa, van Breugel and van der Schaar (ICML 2025, https://arxiv.org/abs/2505.22450),
at N = 1000 rows and d = 32 where the check has a free dimension. Training rows, which
only some metrics ask for, are as many other rows of the law of the real ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from nc_testbed.bench.sanity_rules import (
    Bell,
    Demand,
    Either,
    Falls,
    Flat,
    Highest,
    Near,
    Rises,
    Settles,
    Throughout,
)
from nc_testbed.core.rng import Generators

N = 1000
D = 32
FAR = 1.5
"""Largest shift of every coordinate."""
MODES = 10
OVERLAP = 0.2
"""Volume that two unit cubes share."""


class Scene(NamedTuple):
    """Real rows ``[N, D]``, training rows ``[N, D]`` of their law, samples ``[M, D]``;
    float64."""

    real: Tensor
    training: Tensor
    samples: Tensor


Make = Callable[[Generators, float], Scene]


@dataclass(frozen=True)
class SanityCheck:
    """A law that changes along some points, and what each kind of metric must say.

    title: what changes. points: along which. cases: how rows are made at a point, by name.
    rules: by kind of metric, or by kind and case (``"fidelity/real rows rounded"``); a
    kind without rules is not asked.
    """

    title: str
    points: tuple[float, ...]
    cases: Mapping[str, Make]
    rules: Mapping[str, tuple[Demand, ...]]

    def rules_of(self, kind: str, case: str) -> tuple[Demand, ...]:
        """What is asked of a kind of metric in a case."""
        return self.rules.get(f"{kind}/{case}", self.rules.get(kind, ()))


def normal(draws: Generators, n: int = N, d: int = D) -> Tensor:
    """Standard normal rows ``[n, d]``."""
    return draws.normal(n, d, dtype=torch.float64)[0]


def uniform(draws: Generators, n: int, d: int) -> Tensor:
    """Rows ``[n, d]`` of the unit cube."""
    return draws.uniform(n, d, dtype=torch.float64)[0]


def shift_samples(draws: Generators, shift: float) -> Scene:
    """Samples whose every coordinate is shifted."""
    return Scene(normal(draws), normal(draws), normal(draws) + shift)


def with_outlier(draws: Generators, shift: float, among: str) -> Scene:
    """The same with one row far out, among the real rows or among the samples."""
    scene = shift_samples(draws, shift)
    far = torch.full((1, D), FAR, dtype=torch.float64)
    rows = torch.cat([getattr(scene, among), far])
    return scene._replace(**{among: rows})


def scale_samples(draws: Generators, deviation: float) -> Scene:
    """Samples of another standard deviation."""
    return Scene(normal(draws), normal(draws), normal(draws) * deviation)


def disjoint_column(draws: Generators, others: float) -> Scene:
    """One column shifted by 6 beside so many equal ones."""
    real, training, samples = (normal(draws, d=1 + int(others)) for _ in range(3))
    samples[:, 0] += 6
    return Scene(real, training, samples)


def scaled_column(draws: Generators, scale: float) -> Scene:
    """Two columns: one shifted by 6, the other in another unit."""
    unit = torch.tensor([1.0, scale], dtype=torch.float64)
    shift = torch.tensor([6.0, 0.0], dtype=torch.float64)
    real, training, samples = (normal(draws, d=2) for _ in range(3))
    return Scene(real * unit, training * unit, (samples + shift) * unit)


def one_wide_mode(draws: Generators, apart: float) -> Scene:
    """Real rows of two modes, samples of one with the same variance of every column."""

    def two() -> Tensor:
        side = torch.where(draws.uniform(N, 1)[0] < 0.5, -0.5, 0.5).double()
        return normal(draws) + apart * side

    return Scene(two(), two(), normal(draws) * math.sqrt(1 + apart**2 / 4))


def mixture(draws: Generators, weights: Tensor, centres: Tensor, deviation: float) -> Tensor:
    """Rows ``[N, D]`` of Gaussian modes around centres ``[K, D]``."""
    return centres[draws.categorical(weights, N)[0]] + deviation * normal(draws)


def modes_on_axes(draws: Generators, modes: float) -> Scene:
    """Real rows of five modes, samples of the first so many of ten."""
    centres = 10 * torch.eye(D, dtype=torch.float64)[:MODES]
    real = (torch.arange(MODES) < 5).double()
    weights = (real, real, (torch.arange(MODES) < modes).double())
    return Scene(*(mixture(draws, w, centres, 0.25) for w in weights))


def modes_on_a_line(draws: Generators, weights: Tensor) -> Scene:
    """Real rows of ten modes on the diagonal, samples of them with other weights."""
    centres = torch.linspace(0, 10, MODES, dtype=torch.float64)[:, None].expand(-1, D)
    equal = torch.ones(MODES, dtype=torch.float64)
    return Scene(*(mixture(draws, w, centres, 2 / 3) for w in (equal, equal, weights)))


def dropped_together(draws: Generators, fraction: float) -> Scene:
    """All modes but the first lose this part of their weight."""
    weights = torch.full((MODES,), 1 - fraction, dtype=torch.float64)
    weights[0] = 1
    return modes_on_a_line(draws, weights)


def dropped_in_turn(draws: Generators, dropped: float) -> Scene:
    """So many modes are gone."""
    return modes_on_a_line(draws, (torch.arange(MODES) < MODES - dropped).double())


def cubes(draws: Generators, n: float, real: int | None = None) -> Scene:
    """Uniform rows of two cubes that share a fifth of their volume; n of each, or so many
    real ones."""
    rows = real or int(n)
    start = 1 - OVERLAP ** (1 / D)
    samples = uniform(draws, int(n), D) + start
    return Scene(uniform(draws, rows, D), uniform(draws, rows, D), samples)


def spheres(draws: Generators, radius: float) -> Scene:
    """Uniform rows on spheres, real ones of radius 1."""
    real, training, samples = (
        torch.nn.functional.normalize(normal(draws), dim=1) for _ in range(3)
    )
    return Scene(real, training, radius * samples)


def ball(draws: Generators, n: int) -> Tensor:
    """Uniform rows ``[n, 3]`` of a ball of radius .8."""
    direction = torch.nn.functional.normalize(normal(draws, n, 3), dim=1)
    return 0.8 * uniform(draws, n, 1) ** (1 / 3) * direction


def torus(draws: Generators, n: int) -> Tensor:
    """Rows ``[n, 3]`` of a ring of radius 1 and thickness .1 around that ball."""
    u = uniform(draws, n, 3)
    around = 2 * math.pi * u[:, 0]
    across = 2 * math.pi * u[:, 1]
    thick = 0.1 * u[:, 2].sqrt()
    from_axis = 1 + thick * across.cos()
    height = thick * across.sin()
    return torch.stack([from_axis * around.cos(), from_axis * around.sin(), height], 1)


def ball_and_torus(draws: Generators, n: float, is_real_ball: bool) -> Scene:
    """Real rows of one of two bodies that do not meet, n samples of the other."""
    real, other = (ball, torus) if is_real_ball else (torus, ball)
    return Scene(real(draws, N), real(draws, N), other(draws, int(n)))


def round_one_set(draws: Generators, scale: float, is_real_rounded: bool) -> Scene:
    """One column in units of 1/scale standard deviations, rounded in one set only."""
    real, training, samples = (scale * normal(draws, d=1) for _ in range(3))
    if is_real_rounded:
        return Scene(real.round(), training.round(), samples)
    return Scene(real, training, samples.round())


ONE = (Near(0, 1),)
BELL = (Near(3, 1), Near(0, 0), Near(-1, 0), Bell(3))
SHIFT_RULES = dict.fromkeys(("fidelity", "diversity", "both", "distance"), BELL)
SPREAD_ONLY = {"spread": (Throughout(1),)}
NOTHING_SHARED = dict.fromkeys(("fidelity", "diversity", "both"), (Throughout(0),))
NEW = {"novelty": (Throughout(0.5),)}
SETTLED = (Settles(), Near(-1, OVERLAP))
FAITHFUL = (Near(0, 1), Near(-1, 1), Flat())
"""Dropping modes leaves every sample real."""
CUBES = {"fidelity": SETTLED, "diversity": SETTLED, "both": (Settles(),)}
WIDE = Either(Near(-1, 1), Near(-1, 0))

CHECKS: dict[str, SanityCheck] = {
    "mean shift": SanityCheck(
        "shift of every coordinate",
        (-FAR, -0.75, -0.25, 0, 0.25, 0.75, FAR),
        {"": shift_samples},
        {**SHIFT_RULES, **SPREAD_ONLY, **NEW},
    ),
    "with an outlier": SanityCheck(
        "the same with one row far out",
        (-FAR, -0.75, -0.25, 0, 0.25, 0.75, FAR),
        {
            "among real rows": partial(with_outlier, among="real"),
            "among samples": partial(with_outlier, among="samples"),
        },
        {**SHIFT_RULES, **SPREAD_ONLY, **NEW},
    ),
    "standard deviation": SanityCheck(
        "standard deviation of the samples",
        (0.25, 0.5, 0.8, 1, 1.25, 2, 4),
        {"": scale_samples},
        {
            "fidelity": (Near(3, 1), Near(0, 1), Near(-1, 0), Falls()),
            "diversity": (Near(3, 1), Near(0, 0), WIDE, Either(Bell(3), Rises())),
            "both": BELL,
            "distance": (Near(3, 1), Highest(3)),
            "spread": (Near(3, 1), Rises()),
            **NEW,
        },
    ),
    "one disjoint column": SanityCheck(
        "equal columns beside one that is shifted by 6",
        (1, 7, 31, 127),
        {"": disjoint_column},
        {**NOTHING_SHARED, "distance": (Flat(),), **SPREAD_ONLY, **NEW},
    ),
    "scale of a column": SanityCheck(
        "scale of one column of two, the other shifted by 6",
        (0.001, 0.03, 1, 30, 1000),
        {"": scaled_column},
        {**NOTHING_SHARED, "distance": (Flat(),), **SPREAD_ONLY, **NEW},
    ),
    "two modes, one wide": SanityCheck(
        "distance of two real modes, in every coordinate; one wide mode of samples",
        (0, 1, 2, 3, 5),
        {"": one_wide_mode},
        {
            "fidelity": (*ONE, Falls()),
            "diversity": (*ONE, Either(Falls(), Flat())),
            "both": (*ONE, Falls()),
            "distance": (*ONE, Falls()),
            **NEW,
        },
    ),
    "modes lost, invented": SanityCheck(
        "modes of the samples, the first five of them real",
        (1, 3, 5, 7, 10),
        {"": modes_on_axes},
        {
            "fidelity": (Near(2, 1), Near(0, 1), Falls()),
            "diversity": (Near(2, 1), Near(-1, 1), Rises()),
            "both": (Near(2, 1), Bell(2)),
            "distance": (Near(2, 1), Bell(2)),
            "spread": (Near(2, 1), Rises()),
            **NEW,
        },
    ),
    "modes lost together": SanityCheck(
        "part that nine of ten modes have lost",
        (0, 0.25, 0.5, 0.75, 0.95, 1),
        {"": dropped_together},
        {
            "fidelity": FAITHFUL,
            "diversity": (*ONE, Falls(between=4)),
            "both": (*ONE, Falls(between=4)),
            "distance": (*ONE, Falls(between=4)),
            "spread": (*ONE, Falls()),
            **NEW,
        },
    ),
    "modes lost in turn": SanityCheck(
        "modes of ten that are gone",
        (0, 2, 5, 7, 9),
        {"": dropped_in_turn},
        {
            "fidelity": FAITHFUL,
            "diversity": (*ONE, Falls(between=2)),
            "both": (*ONE, Falls(between=2)),
            "distance": (*ONE, Falls(between=2)),
            "spread": (*ONE, Falls()),
            **NEW,
        },
    ),
    "cubes, more rows": SanityCheck(
        "real rows and samples of each of two cubes that share 0.2",
        (100, 300, 1000, 3000),
        {"": cubes},
        {**CUBES, "distance": (Settles(),), **SPREAD_ONLY, **NEW},
    ),
    "cubes, more samples": SanityCheck(
        "samples of one of two cubes that share 0.2",
        (100, 300, 1000, 3000),
        {"": partial(cubes, real=N)},
        {**CUBES, "distance": (Settles(),), **SPREAD_ONLY, **NEW},
    ),
    "radius of a sphere": SanityCheck(
        "radius of the samples' sphere, that of the real rows is 1",
        (0.1, 0.55, 0.9, 1, 1.1, 1.45, 1.9),
        {"": spheres},
        {
            **SHIFT_RULES,
            "distance": (Near(3, 1), Highest(3)),
            "spread": (Near(3, 1), Rises()),
            **NEW,
        },
    ),
    "ball and torus": SanityCheck(
        "samples of a body that does not meet that of the real rows",
        (100, 300, 1000, 3000),
        {
            "real ball": partial(ball_and_torus, is_real_ball=True),
            "real torus": partial(ball_and_torus, is_real_ball=False),
        },
        {
            **dict.fromkeys(("fidelity", "diversity", "both"), (Settles(), Near(-1, 0))),
            "distance": (Settles(),),
            **NEW,
        },
    ),
    "rounded numbers": SanityCheck(
        "units of a standard deviation, rounded in one set",
        (1, 10, 100, 1000),
        {
            "real rows": partial(round_one_set, is_real_rounded=True),
            "samples": partial(round_one_set, is_real_rounded=False),
        },
        {
            "fidelity/real rows": (Throughout(0),),
            "fidelity/samples": (Throughout(1),),
            "diversity/real rows": (Either(Throughout(1), Throughout(0)),),
            "diversity/samples": (Throughout(0),),
            "both": (Throughout(0),),
            "spread": (Throughout(1),),
            **NEW,
        },
    ),
}
