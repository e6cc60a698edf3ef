"""Hydra, told of this package: resolvers,
launchers, its options, and the jobs it starts."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.utils import _run_hydra, get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import run_job
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from nc_testbed.config.build import nearest
from nc_testbed.config.naming import directory_name, existing_name
from nc_testbed.config.output_dir import CONF, HOME, PACKAGE
from nc_testbed.config.settings import GROUPS, Settings
from nc_testbed.core.errors import BadInput, require

PRESETS = PACKAGE / "presets"
PLUGINS = PACKAGE / "plugins"
STUDY = ("figure", "sweep", "size", "full", "objective")
"""What belongs to a study or a search and not to its runs."""


def own(cfg: DictConfig, resolve: bool = True) -> dict[str, Any]:
    """A run's settings, without Hydra's; ``${n}`` as written unless resolve."""
    settings = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    return container(settings, resolve)


def container(cfg: DictConfig, resolve: bool = True) -> dict[str, Any]:
    """A configuration as dicts, lists, numbers and texts."""
    return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=resolve))


def plain(cfg: DictConfig, choices: Any) -> dict[str, Any]:
    """Resolved plain values, the chosen options'
    names, and every metric where all are wanted."""
    return add_names(container(cfg), choices)


def add_names(config: dict[str, Any], choices: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the names of the chosen
    options, and every metric where all are wanted."""
    keys = [*GROUPS, *STUDY, *(f.name for f in dataclasses.fields(Settings))]
    require("name" not in config, "name", config.get("name"), nearest("name", keys))
    for group in GROUPS:
        node = config.get(group)
        require(isinstance(node, dict), group, node, f"choose one: {group}=name")
    if config["metrics"].get("auto"):
        config["metrics"] |= _every_metric()
    config["name"] = {group: choices[group] for group in ("data", "model", "policy")}
    return config


def _every_metric() -> dict[str, Any]:
    """All metrics on the search path, {name: {_target_, ...}}."""
    search = GlobalHydra.instance().config_loader().get_search_path().get_path()
    folders = (Path(entry.path.removeprefix("file://")) / "metrics" for entry in search)
    files = (file for folder in folders for file in sorted(folder.glob("*.yaml")))
    metrics: dict[str, Any] = {}
    for file in files:
        if file.stem != "auto":
            metrics |= container(cast(DictConfig, OmegaConf.load(file)))
    return metrics


def register() -> None:
    """Tell Hydra of this package's resolvers, and of how it starts engines.

    The presets take the place of what Hydra's plugins offer under the same names, and are
    there without the plugins too: files of one name with a plugin's schema Hydra would
    refuse.
    """
    _register_resolvers()
    if str(PLUGINS) not in sys.path:
        sys.path.append(str(PLUGINS))
    Plugins.instance()  # they store theirs
    for file in PRESETS.rglob("*.yaml"):
        group = str(file.parent.relative_to(PRESETS))
        ConfigStore.instance().store(
            file.stem, OmegaConf.load(file), group, provider="nc_testbed"
        )


def _register_resolvers() -> None:
    """Names of directories: anchored, apart from each other, and not too long.

    Starts within one second, of one process or of several, differ in their ``unique``;
    jobs of a sweep are named by their settings (see :mod:`nc_testbed.config.naming`).
    """
    token = secrets.token_hex(4)
    OmegaConf.register_new_resolver("outputs", lambda: str(HOME / "outputs"), replace=True)
    OmegaConf.register_new_resolver("unique", lambda: token, replace=True)
    OmegaConf.register_new_resolver("sweep_name", lambda c: c or "sweep", replace=True)
    OmegaConf.register_new_resolver("job_name", _job_name, replace=True)
    OmegaConf.register_new_resolver("gpu_share", _gpu_share, replace=True)


def _job_name(*, _root_: DictConfig) -> str:
    """The name of a job's directory, from its whole configuration."""
    hydra = _root_.hydra
    config = add_names(own(_root_), hydra.runtime.choices)
    config = {key: value for key, value in config.items() if key not in STUDY}
    overrides = [str(text) for text in hydra.overrides.task]
    left_out = list(hydra.job.config.override_dirname.exclude_keys)
    name = directory_name(config, hydra.job.override_dirname, overrides, left_out)
    return existing_name(Path(str(hydra.sweep.dir)), name)


def _gpu_share(share: float) -> float:
    """So much of a GPU where this machine has one, else nothing."""
    return share if any(Path("/dev").glob("nvidia[0-9]*")) else 0


def read_options(words: Sequence[str]) -> argparse.Namespace:
    """Hydra's own options, less those that would have it read what has not been checked.

    ``overrides`` are the other words.
    """

    def refuse(message: str) -> NoReturn:
        raise BadInput("arguments", " ".join(words), f"{message}; --help shows what there is")

    parser = get_args_parser()
    parser.error = refuse  # argparse would print a page
    options = parser.parse_intermixed_args(words)  # overrides and options in any order
    for name in ("config_name", "config_path", "experimental_rerun"):
        value = getattr(options, name, None)
        option = f"--{name.replace('_', '-')}"
        require(value is None, option, value, "use --config-dir to add files of your own")
    names = ("run", "multirun", "cfg", "info", "shell_completion")
    actions = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name, None)]
    require(len(actions) < 2, "arguments", " ".join(actions), "give one of these")
    shows = bool(options.cfg or options.help)
    require(shows or not options.resolve, "--resolve", "", "goes with --cfg or --help")
    return options


def hand_over(
    options: argparse.Namespace, words: Sequence[str], task: Callable[[DictConfig], Any]
) -> None:
    """Let Hydra do what the options ask for, with these overrides.

    It starts the jobs of a sweep, each with the task, or prints what it is asked for.
    """
    arguments = copy.copy(options)
    arguments.overrides = list(words)
    version.setbase("1.3")
    _run_hydra(arguments, get_args_parser(), task, str(CONF), "config")


def run_single(cfg: DictConfig, task: Callable[[Path], None]) -> None:
    """Do the task of a single run in its directory, which Hydra makes: ``hydra.run.dir``.

    Logs and the environment are set as ``hydra.job_logging`` and ``hydra.job`` say;
    raises BadInput where they cannot be. Call it within ``compose.configurations``.
    """
    errors: list[Exception] = []

    def job(_: DictConfig) -> None:
        try:
            task(Path(HydraConfig.get().runtime.output_dir))
        except Exception as error:  # Hydra would add a line of its own
            errors.append(error)

    context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks(cfg))
    directory = cfg.hydra.run.dir
    try:
        run_job(job, cfg, "hydra.run.dir", None, context)
    except OSError as error:
        raise BadInput("hydra.run.dir", directory, f"cannot be made ({error})") from None
    except Exception as error:  # of the user's own loggers, which Python's logging refuses
        reason = " ".join(str(error).split())
        raise BadInput("hydra.job_logging", "given", f"cannot be used ({reason})") from None
    if errors:
        raise errors[0]


def launched_job(cfg: DictConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the job that Hydra is about to start, its study's too, and its
    place.

    The place is Hydra's: number, label (what is swept over), path, sweep (the folder),
    cwd.
    """
    state = HydraConfig.get()
    location = {
        "number": int(state.job.num),
        "label": str(state.job.override_dirname),
        "path": Path(state.runtime.output_dir),
        "sweep": Path(state.sweep.dir),
        "cwd": str(state.runtime.cwd),
    }
    return plain(cfg, state.runtime.choices), location
