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
class DashboardSettings:
    """single_chains: also draw every chain's own curve in TensorBoard."""

    single_chains: bool = False


@dataclass(frozen=True)
class Settings:
    """The settings of a run beside its data, model, policy and metrics."""

    seed: int = 0
    chains: int = 4
    generations: int = 8
    n: int | None = None
    budget: int | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    sampling: Sampling = field(default_factory=Sampling)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**63, "seed", self.seed, "give a seed from 0 to 2^63 - 1")
        require(1 <= self.chains <= 2**20, "chains", self.chains, "give at least 1 chain")
        ok = 1 <= self.generations <= 10**6
        require(ok, "generations", self.generations, "give at least 1 generation")
        require(self.n is None or self.n >= 1, "n", self.n, "give at least 1 row, or null")
        ok = self.budget is None or self.budget >= 1
        require(ok, "budget", self.budget, "give at least 1 row, or null for all")


def nearest(name: str, names: Iterable[str]) -> str:
    """A remedy that offers the nearest known name, or all of them.

    >>> nearest("anchr", ["anchor", "replace"])
    'did you mean anchor? (anchor, replace)'
    """
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else "use one of "
    return f"{hint}({', '.join(known)})"


def build(cls: Any, values: Mapping[str, Any], prefix: str = "") -> Any:
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
        chosen[name] = _typed(fields[name], value, prefix + name)
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
    return build(target, values, f"{group}.")


def _typed(hint: Any, value: Any, key: str) -> Any:
    """The value as the annotated type, or BadInput saying which type is wanted."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build(typing.cast(type, hint), value, f"{key}.")
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        hint = next(a for a in arguments if a is not type(None))
        optional = type(None) in arguments
        return _typed_one(hint, value, key, optional)
    return _typed_one(hint, value, key, optional=False)


def _typed_one(hint: Any, value: Any, key: str, optional: bool) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if value not in arguments:
            raise BadInput(key, value, nearest(str(value), map(str, arguments)))
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_typed(arguments[0], v, f"{key}[{i}]") for i, v in enumerate(value))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and number and math.isfinite(value):
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    names = {int: "a whole number", float: "a finite number", str: "a text", bool: "true or false"}
    wanted = names.get(hint, "a list" if origin is tuple else getattr(hint, "__name__", str(hint)))
    raise BadInput(key, value, f"give {wanted}{' or null' if optional else ''}")
