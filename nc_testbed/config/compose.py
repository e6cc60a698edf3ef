"""From overrides to plain settings, each complaint in one line."""

from __future__ import annotations

import bisect
import contextlib
import itertools
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from nc_testbed.config.build import nearest
from nc_testbed.config.hydra_guard import NEEDED, check_hydra
from nc_testbed.config.omegaconf import CONF, HOME, STUDY, named, own, register
from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.safe_yaml import DEPTH

__all__ = ["CONF", "HOME", "STUDY", "chosen", "composed", "configurations", "launched", "parse"]

LONG = 2**16
"""Longest value of an override, characters."""


@contextlib.contextmanager
def configurations() -> Generator[None]:
    """Where :func:`composed` finds the configuration files and the resolvers they use."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def parse(overrides: Sequence[str]) -> list[Override]:
    """Hydra's reading of the overrides, or BadInput for what it cannot read."""
    parser = OverridesParser.create()
    for text in overrides:
        key, _, value = text.partition("=")
        require(len(key) <= 200, key, value, "no key is so long")
        require(len(value) <= LONG, key, value, f"give at most {LONG} characters")
        require(_depth(value) <= DEPTH, key, value, f"give at most {DEPTH} nested brackets")
        try:
            parser.parse_override(text)
        except (HydraException, ValueError, RecursionError) as error:
            remedy = "cannot be read; write key=value, unusual values quoted twice: 'key=\"a=b\"'"
            raise BadInput(key, value, remedy) from error
    return parser.parse_overrides(list(overrides))


def _given(override: Override) -> str:
    """The value as it was written."""
    return str(override.input_line).partition("=")[2]


def _depth(text: str) -> int:
    """How deep brackets may be nested in a text."""
    return max(itertools.accumulate((c in "[{(") - (c in "]})") for c in text), default=0)


def composed(overrides: Sequence[str], search: Sequence[str] = ()) -> dict[str, Any]:
    """The composed configuration as plain values, or BadInput for what Hydra refuses."""
    return _checked(overrides, search)[1]


def chosen(
    overrides: Sequence[str], search: Sequence[str] = (), resolve: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings, ``${n}`` as written unless resolve, and what was chosen of every group."""
    cfg = _checked(overrides, search)[0]
    return own(cfg, resolve), dict(cfg.hydra.runtime.choices)


def launched(
    overrides: Sequence[str], search: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """:func:`composed`, and those of Hydra's own settings that decide where and how a job runs."""
    return _checked(overrides, search)[1:]


def _checked(
    overrides: Sequence[str], search: Sequence[str]
) -> tuple[DictConfig, dict[str, Any], dict[str, Any]]:
    """What Hydra composes, and of it the run's own settings and Hydra's, all checked."""
    _check_choices(parse(overrides), search)
    try:
        cfg = compose("config", [*overrides, *search], return_hydra_config=True)
        choices = dict(cfg.hydra.runtime.choices)
        values = own(cfg)
    except Exception as error:  # files and values of a user's may raise anything in there
        raise _complaint(overrides, search, error) from error
    config = named(values, choices)
    try:
        launch = _launch(cfg)
    except Exception as error:
        raise _complaint(overrides, search, error) from error
    check_hydra(launch, HOME / "outputs")
    return cfg, config, launch


def _options(group: str, search: Sequence[str]) -> list[str]:
    """The options of a group, here and in the folder that is searched too."""
    folders = [str(f).removeprefix("file://") for o in parse(search) for f in cast(list, o.value())]
    added = [file.stem for folder in folders for file in Path(folder, group).glob("*.yaml")]
    return sorted({*GlobalHydra.instance().config_loader().get_group_options(group), *added})


def _check_choices(parsed: Sequence[Override], search: Sequence[str]) -> None:
    """Refuse what is no option of its group, several values for one run, and what is left out."""
    for override in parsed:
        key, value = override.key_or_group, override.value()
        text = _given(override)
        require(key not in ("", "hydra"), key, text, "write key=value")
        groups = not override.is_add() and not override.is_delete() and "." not in key
        options = _options(key, search) if groups else []
        whole = override.is_delete() and "." not in key
        require(not whole, f"~{key}", text, "a run needs it: leave it, or give another value")
        remedy = "several values make several runs: add -m; a list is written [a,b]"
        require(not override.is_sweep_override(), key, text, remedy)
        for option in value if isinstance(value, list) else [value]:
            if options and option not in options:
                raise BadInput(key, option, nearest(str(option), options))


def _complaint(overrides: Sequence[str], search: Sequence[str], error: Exception) -> BadInput:
    """Which override is at fault, and the nearest name that would have been right."""
    parsed = parse(overrides)
    groups = [o for o in parsed if _options(o.key_or_group, search)]
    with contextlib.suppress(Exception):  # groups may be what cannot be composed
        known = _keys(own(_composed(groups, search)))
        for override in parsed:
            key = override.key_or_group
            ours = override not in groups and not key.startswith("hydra")
            if ours and not override.is_add() and key not in known:
                return BadInput(key, _given(override), nearest(key, known))
    ordered = [*groups, *(o for o in parsed if o not in groups)]
    faults: dict[int, Exception | None] = {}

    def fails(i: int) -> bool:
        faults[i] = _fault(ordered[:i], search)
        return faults[i] is not None

    at = bisect.bisect_left(range(len(ordered) + 1), True, key=fails)
    if not 0 < at <= len(ordered):
        return BadInput("overrides", " ".join(overrides), _reason(error))
    remedy = f"cannot be used here ({_reason(faults.get(at) or error)})"
    return BadInput(ordered[at - 1].key_or_group, _given(ordered[at - 1]), remedy)


def _fault(parsed: Sequence[Override], search: Sequence[str]) -> Exception | None:
    """Why these overrides do not compose, or None."""
    try:
        own(cfg := _composed(parsed, search))
        _launch(cfg)
    except Exception as fault:
        return fault
    return None


def _composed(parsed: Sequence[Override], search: Sequence[str]) -> DictConfig:
    texts = [str(override.input_line) for override in parsed]
    return compose("config", [*texts, *search], return_hydra_config=True)


def _reason(error: Exception) -> str:
    """The first line of the innermost cause of an error, or its name."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return " ".join(str(error).partition("full_key:")[0].split()) or type(error).__name__


def _launch(cfg: DictConfig) -> dict[str, Any]:
    """What of Hydra's settings :func:`check_hydra` wants to know, as they are in a job."""
    with open_dict(cfg.hydra.job):
        cfg.hydra.job.num, cfg.hydra.job.id = 0, "0"
    instance = HydraConfig.instance()
    before, instance.cfg = instance.cfg, None
    try:
        found = {"sweep.dir": OmegaConf.select(cfg.hydra, "sweep.dir")}  # read before any job is
        instance.set_config(cfg)
        found |= {key: OmegaConf.select(cfg.hydra, key) for key in NEEDED if key not in found}
    finally:
        instance.cfg = before
    return {
        key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        for key, value in found.items()
    }


def _keys(config: dict[str, Any]) -> list[str]:
    """Every dotted key of a configuration, inner nodes too."""
    keys = list(config)
    for key, value in config.items():
        if isinstance(value, dict):
            keys += [f"{key}.{inner}" for inner in _keys(value)]
    return keys
