"""A composed configuration as plain values, and what its interpolations may ask for."""

from __future__ import annotations

import dataclasses
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from nc_testbed.config.build import nearest
from nc_testbed.config.naming import directory_name, found
from nc_testbed.config.settings import GROUPS, Settings
from nc_testbed.core.errors import require

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parent
CONF = ROOT / "conf" if (ROOT / "conf" / "config.yaml").is_file() else PACKAGE / "conf"
HOME = ROOT if (ROOT / "pyproject.toml").is_file() else Path.cwd()
PRESETS = PACKAGE / "presets"
PLUGINS = PACKAGE / "plugins"
STUDY = ("figure", "sweep", "size", "full", "objective")
"""What belongs to a study or a search and not to its runs."""


def own(cfg: DictConfig, resolve: bool = True) -> dict[str, Any]:
    """A run's settings, without Hydra's; ``${n}`` as written unless resolve."""
    kept = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    return container(kept, resolve)


def container(cfg: DictConfig, resolve: bool = True) -> dict[str, Any]:
    """Plain values."""
    return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=resolve))


def plain(cfg: DictConfig, choices: Any) -> dict[str, Any]:
    """Resolved plain values, the chosen options' names, and every metric where all are wanted."""
    return named(container(cfg), choices)


def named(config: dict[str, Any], choices: Mapping[str, Any]) -> dict[str, Any]:
    known = [*GROUPS, *STUDY, *(f.name for f in dataclasses.fields(Settings))]
    require("name" not in config, "name", config.get("name"), nearest("name", known))
    for group in GROUPS:
        chosen = config.get(group)
        require(isinstance(chosen, dict), group, chosen, f"choose one: {group}=name")
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

    The presets take the place of what Hydra's plugins offer under the same names, and are there
    without the plugins too: files of one name with a plugin's schema Hydra would refuse.
    """
    _register_resolvers()
    if str(PLUGINS) not in sys.path:
        sys.path.append(str(PLUGINS))
    Plugins.instance()  # they store theirs
    for file in PRESETS.rglob("*.yaml"):
        group = str(file.parent.relative_to(PRESETS))
        ConfigStore.instance().store(file.stem, OmegaConf.load(file), group, provider="nc_testbed")


def _register_resolvers() -> None:
    """Names of directories: anchored, apart from each other, and not too long.

    Starts within one second, of one process or of several, differ in their ``unique``; jobs of a
    sweep are named by their settings (see :mod:`nc_testbed.config.naming`).
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
    config = named(own(_root_), hydra.runtime.choices)
    config = {key: value for key, value in config.items() if key not in STUDY}
    job, given = hydra.job, [str(text) for text in hydra.overrides.task]
    left_out = list(job.config.override_dirname.exclude_keys)
    name = directory_name(config, job.override_dirname, given, left_out)
    return found(Path(str(hydra.sweep.dir)), name)


def _gpu_share(share: float) -> float:
    """So much of a GPU where this machine has one, else nothing."""
    return share if any(Path("/dev").glob("nvidia[0-9]*")) else 0
