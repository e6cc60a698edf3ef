"""From plain values to objects: every name, type and range is checked in one place."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import os
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.safe_loading import require_allowed_target

RENAMED = {
    "rate": "lr",
    "batch": "batch_size",
    "latent": "latent_dim",
    "steps": "max_iter",
    "held_out": "test_rows",
    "imbalance": "imbalance_ratio",
    "least": "min_confidence",
    "right": "keep_correct",
    "wrong": "keep_incorrect",
    "weight": "real_weight",
    "gini": "heterozygosity",
    "modes_held": "modes_captured",
    "high_quality": "high_quality_share",
    "origin": "out",
}
"""Keys and columns of the first version, and what each is called now."""


def nearest(name: str, names: Iterable[str]) -> str:
    """A remedy that offers the nearest known name, or all of them.

    >>> nearest("anchr", ["anchor", "replace"]), nearest("model.rate", ["model.lr", "model.steps"])
    ('did you mean anchor? (anchor, replace)', 'it is called model.lr now')
    """
    options = sorted(names)
    head, dot, leaf = name.rpartition(".")
    renamed = f"{head}{dot}{RENAMED.get(leaf, leaf)}"
    if renamed != name and renamed in options:
        return f"it is called {renamed} now"
    close = difflib.get_close_matches(name[:100], options, n=1)
    hint = f"did you mean {close[0]}? " if close else "use one of "
    return f"{hint}({', '.join(_beside(name, options))})"


def _beside(name: str, options: list[str]) -> list[str]:
    """Of many dotted names those with the same head, or the heads where there is none
    such.

    >>> _beside("a.x", ["a.b", "a.c", *map(str, range(50))])
    ['a.b', 'a.c']
    """
    if len(options) <= 40:
        return options
    head = name.rpartition(".")[0]
    alike = [other for other in options if head and other.rpartition(".")[0] == head]
    return alike or [other for other in options if "." not in other]


def build(
    cls: Any, values: Mapping[str, Any], prefix: str = "", extensions: Iterable[str] = ()
) -> Any:
    """An object of a settings dataclass from plain values, every name and type checked.

    Raises BadInput with the full key: unknown names get the nearest known one, values
    must have the annotated type, and ranges are the class's own (``__post_init__``).

    >>> from nc_testbed.core.interfaces import Sampling
    >>> build(Sampling, {"decode": "mean"}).decode
    'mean'
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}
    arguments = {}
    for name, value in values.items():
        if name not in fields:
            raise BadInput(prefix + name, value, nearest(name, fields))
        arguments[name] = _convert(fields[name], value, prefix + name, extensions)
    try:
        return cls(**arguments)
    except BadInput as error:
        raise BadInput(prefix + error.key, error.value, error.remedy) from None
    except TypeError as error:  # a field without a default was left out
        raise BadInput(prefix.rstrip("."), cls.__name__, str(error)) from None


def check_extensions(names: Iterable[str]) -> None:
    """Raise BadInput unless every name is that of a package or module that can be
    imported.

    It may lie in the folder the user stands in, which is searched from now on. None is
    imported: that waits until all that needs no extension has been checked.
    """
    names = tuple(names)
    if names and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for name in names:
        remedy = "name a package of your own: letters, digits and _, no dots"
        require(name.isidentifier(), "extensions", name, remedy)
        remedy = "this is Python's own: name a package of yours"
        require(name not in sys.stdlib_module_names, "extensions", name, remedy)
        remedy = "no such package here: run where it lies, or install it"
        require(importlib.util.find_spec(name) is not None, "extensions", name, remedy)


def of_package(node: Mapping[str, Any]) -> bool:
    """Whether a ``_target_`` is this package's
    own, so that building it imports nothing else."""
    return str(node.get("_target_")).split(".")[0] == "nc_testbed"


def build_target(
    node: Mapping[str, Any], group: str, extensions: Iterable[str], kind: Any = object
) -> Any:
    """The object a ``_target_`` names: a dataclass of this package or of a declared
    extension.

    The name is checked, then the resolved object, before anything of it is called; what
    is made must have all that its kind (a protocol) has.
    """
    key = f"{group}._target_"
    values = dict(node)
    name = values.pop("_target_", None)
    allowed = ("nc_testbed", *extensions)
    require_allowed_target(name, allowed, key)
    module, _, attribute = str(name).rpartition(".")
    try:
        target = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a module of the user's may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise BadInput(key, name, f"cannot be imported ({' '.join(reason.split())})") from None
    is_allowed = isinstance(target, type) and target.__module__.split(".")[0] in allowed
    require(
        is_allowed and dataclasses.is_dataclass(target), key, name, "name a settings dataclass"
    )
    instance = build(target, values, f"{group}.", extensions)
    contract = f"{kind.__module__}.{kind.__name__}"
    remedy = f"is no {kind.__name__.lower()}: name a class that is one, as {contract} says"
    require(isinstance(instance, kind), key, name, remedy)
    return instance


def convert(hint: Any, value: Any, key: str) -> Any:
    """The value as the annotated type; raises BadInput saying which type is wanted.

    >>> convert(tuple[int, ...], [1, 2], "n")
    (1, 2)
    """
    return _convert(hint, value, key)


def _convert(hint: Any, value: Any, key: str, extensions: Iterable[str] = ()) -> Any:
    """The value as the annotated type, or BadInput saying which type is wanted."""
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin not in (typing.Union, types.UnionType):
        return _convert_to(hint, value, key, False, extensions)
    optional = type(None) in arguments
    if value is None and optional:
        return None
    others = [a for a in arguments if a is not type(None)]
    if isinstance(value, Mapping):  # only one alternative is made of keys
        others = [a for a in others if dataclasses.is_dataclass(a)] or others
    complaints = []
    for other in others:
        try:
            return _convert_to(other, value, key, optional, extensions)
        except BadInput as error:
            complaints.append(error)
    exact = [c for c in complaints if c.key != key]
    if exact or len(complaints) == 1:
        raise (exact or complaints)[0]
    remedies = [c.remedy.removeprefix("give ").removesuffix(" or null") for c in complaints]
    remedies = [remedy.removeprefix("use one of ") for remedy in remedies]
    raise BadInput(key, value, f"give {' or '.join(remedies)}{' or null' if optional else ''}")


def _convert_to(
    hint: Any, value: Any, key: str, optional: bool, extensions: Iterable[str] = ()
) -> Any:
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build(typing.cast(type, hint), value, f"{key}.", extensions)
    if isinstance(value, Mapping) and "_target_" in value:
        instance = build_target(value, key, extensions)
        remedy = f"name a class that is a {hint.__name__}"
        require(isinstance(instance, hint), f"{key}._target_", value["_target_"], remedy)
        return instance
    if origin is Literal:
        if value not in arguments:
            raise BadInput(key, value, nearest(str(value), map(str, arguments)))
        return value
    if origin is dict and isinstance(value, Mapping):
        return {
            k: _convert(arguments[1], v, f"{key}.{k}", extensions) for k, v in value.items()
        }
    is_list = origin in (tuple, Sequence)
    if is_list and isinstance(value, list | tuple):
        return tuple(_convert(arguments[0], v, f"{key}[{i}]") for i, v in enumerate(value))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and number and abs(value) <= sys.float_info.max:  # no NaN either
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    names = {
        int: "a whole number",
        float: "a finite number",
        str: "a text",
        bool: "true or false",
    }
    if dataclasses.is_dataclass(hint):
        names[hint] = f"{{{', '.join(f.name for f in dataclasses.fields(hint))}}}"
    type_name = names.get(hint, "a list" if is_list else getattr(hint, "__name__", str(hint)))
    raise BadInput(key, value, f"give {type_name}{' or null' if optional else ''}")
