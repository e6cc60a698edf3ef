"""From a composed configuration to checked objects: types, names and ranges in one place."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nc_testbed.types import BadInput, Sampling, require


@dataclass(frozen=True)
class EvaluationSettings:
    """rows: samples per chain that metrics draw, None = 100 / (share of the rarest class)."""

    rows: int | None = None

    def __post_init__(self) -> None:
        ok = self.rows is None or self.rows >= 20
        require(ok, "rows", self.rows, "give at least 20 rows, or null")


@dataclass(frozen=True)
class ComputeSettings:
    """chains: how many chains are fitted together, None = all; results do not depend on it."""

    chains: int | None = None

    def __post_init__(self) -> None:
        ok = self.chains is None or self.chains >= 1
        require(ok, "chains", self.chains, "give at least 1 chain at once, or null for all")


@dataclass(frozen=True)
class RecordSettings:
    """Which generations are measured and stored, and in what detail.

    generations: ``all``, ``last``, a number k (0, k, 2k, .. and the last), or a list. chains:
    ``rows``, a row of metrics per chain, or ``summary``, moments and quantiles over chains.
    """

    generations: Literal["all", "last"] | int | tuple[int, ...] = "all"
    chains: Literal["rows", "summary"] = "rows"

    def __post_init__(self) -> None:
        wanted = self.generations
        every = wanted >= 1 if isinstance(wanted, int) else True
        require(every, "generations", wanted, "give all, last, a number >= 1 or a list")
        if isinstance(wanted, tuple):
            fine = bool(wanted) and min(wanted) >= 0
            require(fine, "generations", list(wanted), "give one generation >= 0 at least")

    def among(self, generations: int) -> tuple[int, ...]:
        """The recorded ones of this many, ascending.

        >>> RecordSettings(4).among(10), RecordSettings("last").among(10)
        ((0, 4, 8, 9), (9,))
        """
        wanted, last = self.generations, generations - 1
        if wanted == "all":
            return tuple(range(generations))
        if wanted == "last":
            return (last,)
        if isinstance(wanted, int):
            return tuple(sorted({*range(0, generations, wanted), last}))
        beyond = [g for g in wanted if g > last]
        require(not beyond, "record.generations", beyond, f"the last generation is {last}")
        return tuple(sorted(set(wanted)))


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
        return tuple(max(1, round(self.first * (g + 1) ** self.power)) for g in range(generations))


@dataclass(frozen=True)
class DashboardSettings:
    """single_chains: also draw every chain's own curve in TensorBoard."""

    single_chains: bool = False


@dataclass(frozen=True)
class Settings:
    """The settings of a run beside its data, model, policy and metrics.

    stream: after generation 0 every training batch is drawn afresh from the previous fit and
    never again: statistical error is removed, as if n were infinite. The n synthetic rows of a
    generation are drawn and kept all the same, to be looked at; none of them is trained on. n
    then only says how real rows are mixed in, and how long an epoch is.
    """

    seed: int = 0
    chains: int = 4
    generations: int = 8
    n: int | tuple[int, ...] | Growth | None = None
    budget: int | None = None
    stream: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    sampling: Sampling = field(default_factory=Sampling)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    record: RecordSettings = field(default_factory=RecordSettings)
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**63, "seed", self.seed, "give a seed from 0 to 2^63 - 1")
        require(1 <= self.chains <= 2**20, "chains", self.chains, "give at least 1 chain")
        ok = 1 <= self.generations <= 10**6
        require(ok, "generations", self.generations, "give at least 1 generation")
        given = [self.n] if isinstance(self.n, int) else self.n
        if isinstance(given, list | tuple):
            fits = bool(given) and 1 <= min(given) <= max(given) <= 10**15
            require(fits, "n", self.n, "give 1 to 10^15 rows, or null")
        ok = self.budget is None or self.budget >= 1
        require(ok, "budget", self.budget, "give at least 1 row, or null for all")


def sizes(settings: Settings, real: int | None) -> tuple[int, ...]:
    """Rows of generation 0's real set and of the synthetic set drawn from every generation.

    ``[n0, n_0, .. n_{T-1}]``; generation g is fitted to entry g. real: the real rows there are,
    None where an exact law draws as many as ``n`` says (100 where it says nothing).
    Raises BadInput for a schedule that is shorter than the run or begins with other real rows.
    """
    n, T = settings.n, settings.generations
    if n is None or isinstance(n, int):
        drawn = n or real or 100
        return (real or drawn, *[drawn] * T)
    listed = n.among(T) if isinstance(n, Growth) else n
    remedy = f"{T} generations need as many sizes"
    require(len(listed) >= T, "n", list(listed), remedy)
    first = "generation 0 is fitted to data.rows real rows"
    require(real in (None, listed[0]), "n", listed[0], f"{first}, {real}: begin with these")
    return (*listed[:T], listed[min(T, len(listed) - 1)])


def nearest(name: str, names: Iterable[str]) -> str:
    """A remedy that offers the nearest known name, or all of them.

    >>> nearest("anchr", ["anchor", "replace"])
    'did you mean anchor? (anchor, replace)'
    """
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else "use one of "
    return f"{hint}({', '.join(known)})"


def build(
    cls: Any, values: Mapping[str, Any], prefix: str = "", extensions: Iterable[str] = ()
) -> Any:
    """An object of a settings dataclass from plain values, every name and type checked.

    Raises BadInput with the full key: unknown names get the nearest known one, values must have
    the annotated type, and ranges are the class's own (``__post_init__``).

    >>> build(Sampling, {"decode": "mean"}).decode
    'mean'
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}
    chosen = {}
    for name, value in values.items():
        if name not in fields:
            raise BadInput(prefix + name, value, nearest(name, fields))
        chosen[name] = _typed(fields[name], value, prefix + name, extensions)
    try:
        return cls(**chosen)
    except BadInput as error:
        raise BadInput(prefix + error.key, error.value, error.remedy) from None
    except TypeError as error:  # a field without a default was left out
        raise BadInput(prefix.rstrip("."), cls.__name__, str(error)) from None


def build_target(node: Mapping[str, Any], group: str, extensions: Iterable[str]) -> Any:
    """The object a ``_target_`` names: a dataclass of this package or of a declared extension.

    The name is checked, then the resolved object, before anything of it is called.
    """
    key, values = f"{group}._target_", dict(node)
    name = values.pop("_target_", None)
    allowed = ("nc_testbed", *extensions)
    remedy = f"name a class of {' or '.join(allowed)}; declare others in extensions=[...]"
    require(isinstance(name, str) and name.split(".")[0] in allowed, key, name, remedy)
    module, _, attribute = str(name).rpartition(".")
    try:
        target = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BadInput(key, name, f"cannot be imported ({error})") from None
    own = isinstance(target, type) and target.__module__.split(".")[0] in allowed
    require(own and dataclasses.is_dataclass(target), key, name, "name a settings dataclass")
    return build(target, values, f"{group}.", extensions)


def _typed(hint: Any, value: Any, key: str, extensions: Iterable[str] = ()) -> Any:
    """The value as the annotated type, or BadInput saying which type is wanted."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin not in (typing.Union, types.UnionType):
        return _typed_one(hint, value, key, False, extensions)
    optional = type(None) in arguments
    if value is None and optional:
        return None
    others = [a for a in arguments if a is not type(None)]
    if isinstance(value, Mapping):  # only one alternative is made of keys
        others = [a for a in others if dataclasses.is_dataclass(a)] or others
    complaints = []
    for other in others:
        try:
            return _typed_one(other, value, key, optional, extensions)
        except BadInput as error:
            complaints.append(error)
    exact = [c for c in complaints if c.key != key]
    if exact or len(complaints) == 1:
        raise (exact or complaints)[0]
    remedies = [c.remedy.removeprefix("give ").removesuffix(" or null") for c in complaints]
    remedies = [remedy.removeprefix("use one of ") for remedy in remedies]
    raise BadInput(key, value, f"give {' or '.join(remedies)}{' or null' if optional else ''}")


def _typed_one(
    hint: Any, value: Any, key: str, optional: bool, extensions: Iterable[str] = ()
) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build(typing.cast(type, hint), value, f"{key}.", extensions)
    if isinstance(value, Mapping) and "_target_" in value:
        made = build_target(value, key, extensions)
        wanted = f"name a class that is a {hint.__name__}"
        require(isinstance(made, hint), f"{key}._target_", value["_target_"], wanted)
        return made
    if origin is Literal:
        if value not in arguments:
            raise BadInput(key, value, nearest(str(value), map(str, arguments)))
        return value
    if origin is dict and isinstance(value, Mapping):
        return {k: _typed(arguments[1], v, f"{key}.{k}", extensions) for k, v in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_typed(arguments[0], v, f"{key}[{i}]") for i, v in enumerate(value))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and number and math.isfinite(value):
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    names = {int: "a whole number", float: "a finite number", str: "a text", bool: "true or false"}
    if dataclasses.is_dataclass(hint):
        names[hint] = f"{{{', '.join(f.name for f in dataclasses.fields(hint))}}}"
    wanted = names.get(hint, "a list" if origin is tuple else getattr(hint, "__name__", str(hint)))
    raise BadInput(key, value, f"give {wanted}{' or null' if optional else ''}")
