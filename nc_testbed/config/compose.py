"""From overrides to plain settings, each complaint in one line."""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from nc_testbed.config.build import nearest
from nc_testbed.config.hydra_app import STUDY, add_names, own, register
from nc_testbed.config.output_dir import CONF, HOME, check_places
from nc_testbed.config.overrides import check_single_values, line_of, parse, text_of
from nc_testbed.core.errors import BadInput, require

__all__ = [
    "CONF",
    "HOME",
    "STUDY",
    "Composition",
    "compose_choices",
    "compose_config",
    "compose_run",
    "configurations",
    "parse",
]

LAUNCH = (
    "callbacks", "launcher", "sweeper", "output_subdir", "job.name", "run.dir", "sweep.dir",
    "sweep.subdir", "sweeper.max_batch_size", "runtime.choices",
)  # fmt: skip
"""Hydra's own settings that decide where and how a job runs."""
PLUGINS = ("hydra", "hydra_plugins", "optuna")
"""Packages whose classes may start the jobs of a sweep, and choose them."""


@dataclass(frozen=True)
class Composition:
    """What a command line composes to.

    cfg: as Hydra composes it. config: the settings of a run and of its study, plain
    values. launch: the settings of Hydra's in LAUNCH, by dotted key.
    """

    cfg: DictConfig
    config: dict[str, Any]
    launch: dict[str, Any]

    @property
    def experiment(self) -> str | None:
        """The name of the experiment, None without one."""
        return self.launch["runtime.choices"].get("experiment")

    def split(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings of the run, and those of the study it belongs to."""
        run = {key: value for key, value in self.config.items() if key not in STUDY}
        return run, {key: self.config[key] for key in STUDY}


@contextlib.contextmanager
def configurations() -> Generator[None]:
    """Where :func:`compose_config` finds the
    configuration files and the resolvers they use."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def compose_config(overrides: Sequence[str], search: Sequence[str] = ()) -> dict[str, Any]:
    """The composed configuration as plain values, or BadInput for what Hydra refuses."""
    return compose_run(overrides, search).config


def compose_choices(
    overrides: Sequence[str], search: Sequence[str] = (), resolve: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings, ``${n}`` as written unless
    resolve, and what was chosen of every group."""
    cfg = compose_run(overrides, search).cfg
    return own(cfg, resolve), dict(cfg.hydra.runtime.choices)


def compose_run(overrides: Sequence[str], search: Sequence[str] = ()) -> Composition:
    """What Hydra composes, and of it the run's own settings and Hydra's, all checked.

    search: an override that says where more configuration files lie.
    """
    parsed = parse(overrides)
    _check_choices(parsed, search)
    try:
        cfg = compose("config", [*overrides, *search], return_hydra_config=True)
        choices = dict(cfg.hydra.runtime.choices)
        values = own(cfg)
    except Exception as error:  # files and values of a user's may raise anything in there
        raise _complaint(parsed, search, error) from error
    config = add_names(values, choices)
    try:
        launch = _launch_settings(cfg)
    except Exception as error:
        raise _complaint(parsed, search, error) from error
    _check_launch(launch)
    return Composition(cfg, config, launch)


def _check_launch(launch: Mapping[str, Any]) -> None:
    """Refuse code that Hydra would call beside what
    starts and chooses jobs, and wrong places."""
    remedy = "callbacks are code that Hydra calls: leave them out"
    require(not launch["callbacks"], "hydra.callbacks", launch["callbacks"], remedy)
    for part in ("launcher", "sweeper"):
        for target in _targets(launch[part]):
            allowed = str(target).split(".")[0] in PLUGINS
            remedy = f"name a class of {' or '.join(PLUGINS)}"
            require(allowed, f"hydra.{part}._target_", target, remedy)
    batch = launch["sweeper.max_batch_size"]
    positive = batch is None or (isinstance(batch, int) and (batch == -1 or batch > 0))
    remedy = "give at least 1 run at once, or null"
    require(positive, "hydra.sweeper.max_batch_size", batch, remedy)
    check_places(launch)


def _targets(node: Any) -> Iterator[Any]:
    """Every ``_target_`` at any depth."""
    if isinstance(node, Mapping) and "_target_" in node:
        yield node["_target_"]
    children = node.values() if isinstance(node, Mapping) else node
    for child in children if isinstance(node, Mapping | list) else ():
        yield from _targets(child)


def _options(group: str, search: Sequence[str]) -> list[str]:
    """The options of a group, here and in the folder that is searched too."""
    folders = [
        str(f).removeprefix("file://") for o in parse(search) for f in cast(list, o.value())
    ]
    added = [file.stem for folder in folders for file in Path(folder, group).glob("*.yaml")]
    return sorted({*GlobalHydra.instance().config_loader().get_group_options(group), *added})


def _check_choices(parsed: Sequence[Override], search: Sequence[str]) -> None:
    """Refuse what is no option of its group, several values
    for one run, and what is left out."""
    for override in parsed:
        key = override.key_or_group
        require(key not in ("", "hydra"), key, text_of(override), "write key=value")
        is_group = not override.is_add() and not override.is_delete() and "." not in key
        options = _options(key, search) if is_group else []
        node_left_out = override.is_delete() and "." not in key
        remedy = "a run needs it: leave it, or give another value"
        require(not node_left_out, f"~{key}", text_of(override), remedy)
        check_single_values([override])
        value = override.value()
        for option in value if isinstance(value, list) else [value]:
            if options and option not in options:
                raise BadInput(key, option, nearest(str(option), options))


def _complaint(parsed: Sequence[Override], search: Sequence[str], error: Exception) -> BadInput:
    """Which override is at fault, and the nearest name that would have been right."""
    groups = [o for o in parsed if _options(o.key_or_group, search)]
    with contextlib.suppress(Exception):  # groups may be what cannot be composed
        keys = _keys(own(_compose(groups, search)))
        for override in parsed:
            key = override.key_or_group
            is_own = override not in groups and not key.startswith("hydra")
            if is_own and not override.is_add() and key not in keys:
                return BadInput(key, text_of(override), nearest(key, keys))
    ordered = [*groups, *(o for o in parsed if o not in groups)]
    faults: dict[int, Exception | None] = {}

    def fails(i: int) -> bool:
        faults[i] = _fault(ordered[:i], search)
        return faults[i] is not None

    at = bisect.bisect_left(range(len(ordered) + 1), True, key=fails)
    if not 0 < at <= len(ordered):
        return BadInput("overrides", " ".join(map(line_of, parsed)), _reason(error))
    remedy = f"cannot be used here ({_reason(faults.get(at) or error)})"
    return BadInput(ordered[at - 1].key_or_group, text_of(ordered[at - 1]), remedy)


def _fault(parsed: Sequence[Override], search: Sequence[str]) -> Exception | None:
    """Why these overrides do not compose, or None."""
    try:
        own(cfg := _compose(parsed, search))
        _launch_settings(cfg)
    except Exception as fault:
        return fault
    return None


def _compose(parsed: Sequence[Override], search: Sequence[str]) -> DictConfig:
    texts = [line_of(override) for override in parsed]
    return compose("config", [*texts, *search], return_hydra_config=True)


def _reason(error: Exception) -> str:
    """The first line of the innermost cause of an error, or its name."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return " ".join(str(error).partition("full_key:")[0].split()) or type(error).__name__


def _launch_settings(cfg: DictConfig) -> dict[str, Any]:
    """What of Hydra's settings LAUNCH, as they are in a job."""
    with open_dict(cfg.hydra.job):
        cfg.hydra.job.num = 0
        cfg.hydra.job.id = "0"
    instance = HydraConfig.instance()
    before = instance.cfg
    instance.cfg = None
    try:
        # Hydra reads it before there is a job.
        values = {"sweep.dir": OmegaConf.select(cfg.hydra, "sweep.dir")}
        instance.set_config(cfg)
        values |= {key: OmegaConf.select(cfg.hydra, key) for key in LAUNCH if key not in values}
    finally:
        instance.cfg = before
    return {
        key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        for key, value in values.items()
    }


def _keys(config: dict[str, Any]) -> list[str]:
    """Every dotted key of a configuration, inner nodes too."""
    keys = list(config)
    for key, value in config.items():
        if isinstance(value, dict):
            keys += [f"{key}.{inner}" for inner in _keys(value)]
    return keys
