"""The settings of a run: names, types and ranges."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nc_testbed.config.build import build, nearest
from nc_testbed.core.errors import require
from nc_testbed.core.interfaces import Sampling

LEAST_MEMORY = 2**24  # bytes: 16 MiB
GROUPS = ("data", "model", "policy", "metrics")


@dataclass(frozen=True)
class EvaluationSettings:
    """rows: samples per chain that metrics draw,
    None = 100 / (share of the rarest class)."""

    rows: int | None = None

    def __post_init__(self) -> None:
        ok = self.rows is None or self.rows >= 20
        require(ok, "rows", self.rows, "give at least 20 rows, or null")


@dataclass(frozen=True)
class ComputeSettings:
    """How much of the machine is taken at once, and how it multiplies.

    chains: most chains taken together, None = all. memory: bytes of the device's memory
    that the run may take, ``auto`` = what there is. Chains and blocks of rows are taken
    so that it is enough, halved where it was not; rows to be kept that fill more than
    half of it lie beside a GPU, or on disk. On a CPU no result depends on either.
    precision: of float32 products in fits. ``auto``: TF32 on a GPU, float32 on a CPU;
    ``bf16``: bfloat16. compile: whether losses are compiled for a GPU, ``auto`` = where
    the run is long enough to win back the time that takes.
    """

    chains: int | None = None
    memory: Literal["auto"] | int = "auto"
    precision: Literal["auto", "float32", "bf16"] = "auto"
    compile: Literal["auto"] | bool = "auto"

    def __post_init__(self) -> None:
        remedy = f"give at least {LEAST_MEMORY} bytes, or auto"
        ok = self.memory == "auto" or self.memory >= LEAST_MEMORY
        require(ok, "memory", self.memory, remedy)
        ok = self.chains is None or self.chains >= 1
        require(ok, "chains", self.chains, "give at least 1 chain at once, or null for all")


@dataclass(frozen=True)
class RecordSettings:
    """Which generations are measured and stored, and in what detail.

    generations: ``all``, ``last``, a number k (0, k, 2k, .. and the last), or a list.
    chains: ``rows``, a row of metrics per chain, or ``summary``, moments and quantiles
    over chains.
    """

    generations: Literal["all", "last"] | int | tuple[int, ...] = "all"
    chains: Literal["rows", "summary"] = "rows"

    def __post_init__(self) -> None:
        which = self.generations
        every = which >= 1 if isinstance(which, int) else True
        require(every, "generations", which, "give all, last, a number >= 1 or a list")
        if isinstance(which, tuple):
            in_range = bool(which) and min(which) >= 0
            require(in_range, "generations", list(which), "give one generation >= 0 at least")

    def among(self, generations: int) -> tuple[int, ...]:
        """The recorded generations of a run of so many, ascending.

        >>> RecordSettings(4).among(10), RecordSettings("last").among(10)
        ((0, 4, 8, 9), (9,))
        """
        which = self.generations
        last = generations - 1
        if which == "all":
            return tuple(range(generations))
        if which == "last":
            return (last,)
        if isinstance(which, int):
            return tuple(sorted({*range(0, generations, which), last}))
        beyond = [g for g in which if g > last]
        require(not beyond, "record.generations", beyond, f"the last generation is {last}")
        return tuple(sorted(set(which)))


@dataclass(frozen=True)
class Growth:
    """Sample sizes that grow: ``first * t^power`` rows, rounded, t = generation + 1."""

    first: int
    power: float

    def __post_init__(self) -> None:
        require(self.first >= 1, "first", self.first, "give at least 1 row")
        require(-4 <= self.power <= 4, "power", self.power, "give a number from -4 to 4")

    def among(self, generations: int) -> tuple[int, ...]:
        """The rows that every generation is fitted to, at least 1.

        >>> Growth(100, 2).among(3)
        (100, 400, 900)
        """
        return tuple(
            max(1, round(self.first * (g + 1) ** self.power)) for g in range(generations)
        )


@dataclass(frozen=True)
class DashboardSettings:
    """single_chains: also draw every chain's own curve in TensorBoard."""

    single_chains: bool = False


@dataclass(frozen=True)
class Settings:
    """The settings of a run beside its data, model, policy and metrics.

    stream: after generation 0 every training batch is drawn afresh from the previous fit
    and never again: statistical error is removed, as if n were infinite. The n synthetic
    rows of a generation are drawn and kept all the same, to be looked at; none of them is
    trained on. n then only says how real rows are mixed in, and how long an epoch is.
    store: synthetic sets that are kept on disk: all, that of the last generation, none. A
    run that goes on draws again what it needs, from stored fits and the same streams.
    """

    seed: int = 0
    chains: int = 10
    generations: int = 5
    n: int | tuple[int, ...] | Growth | None = None
    budget: int | None = None
    stream: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    sampling: Sampling = field(default_factory=Sampling)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    record: RecordSettings = field(default_factory=RecordSettings)
    store: Literal["all", "last", "none"] = "all"
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**63, "seed", self.seed, "give a seed from 0 to 2^63 - 1")
        require(1 <= self.chains <= 2**20, "chains", self.chains, "give at least 1 chain")
        ok = 1 <= self.generations <= 10**6
        require(ok, "generations", self.generations, "give at least 1 generation")
        sizes = [self.n] if isinstance(self.n, int) else self.n
        if isinstance(sizes, list | tuple):
            in_range = bool(sizes) and 1 <= min(sizes) <= max(sizes) <= 10**15
            require(in_range, "n", self.n, "give 1 to 10^15 rows, or null")
        ok = self.budget is None or self.budget >= 1
        require(ok, "budget", self.budget, "give at least 1 row, or null for all")


def of_run(config: Mapping[str, Any]) -> Settings:
    """The settings of a run beside its groups, from plain values; needs no model and no
    data.

    ``name``, which says how the groups were chosen, is not one of them.
    Raises BadInput for unknown names, wrong types and ranges.
    """
    values = {key: value for key, value in config.items() if key not in (*GROUPS, "name")}
    names = [*GROUPS, *(f.name for f in dataclasses.fields(Settings))]
    for key in values:
        require(key in names, key, values[key], nearest(key, names))
    return build(Settings, values)


def sizes(settings: Settings, real: int | None) -> tuple[int, ...]:
    """Rows of generation 0's real set and of the synthetic set drawn from every
    generation.

    ``[n0, n_0, .. n_{T-1}]``; generation g is fitted to entry g. real: the real rows
    there are, None where an exact law draws as many as ``n`` says (100 where it says
    nothing). Raises BadInput for a schedule that is shorter than the run or begins with
    other real rows.
    """
    n = settings.n
    T = settings.generations
    if n is None or isinstance(n, int):
        size = n or real or 100
        return (real or size, *[size] * T)
    schedule = n.among(T) if isinstance(n, Growth) else n
    remedy = f"{T} generations need as many sizes"
    require(len(schedule) >= T, "n", list(schedule), remedy)
    first = "generation 0 is fitted to data.rows real rows"
    require(real in (None, schedule[0]), "n", schedule[0], f"{first}, {real}: begin with these")
    return (*schedule[:T], schedule[min(T, len(schedule) - 1)])
