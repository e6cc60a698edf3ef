"""From overrides to plain settings: with the command line the only module that knows Hydra."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nc_testbed.build import nearest
from nc_testbed.types import BadInput

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
CONF = ROOT / "conf" if (ROOT / "conf" / "config.yaml").is_file() else PACKAGE / "conf"
HOME = ROOT if (ROOT / "pyproject.toml").is_file() else Path.cwd()
STUDY = ("figure", "sweep", "size", "full")
"""What belongs to a study and not to its runs."""


@contextmanager
def configurations() -> Generator[None]:
    """Where :func:`composed` finds the configuration files and the resolvers they use."""
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def parse(overrides: Sequence[str]) -> list[Override]:
    """Hydra's reading of the overrides, or BadInput for what it cannot read."""
    parser = OverridesParser.create()
    for text in overrides:
        try:
            parser.parse_override(text)
        except HydraException as error:
            key, _, value = text.partition("=")
            remedy = "cannot be read; write key=value, unusual values quoted twice: 'key=\"a=b\"'"
            raise BadInput(key, value, remedy) from error
    return parser.parse_overrides(list(overrides))


def composed(overrides: Sequence[str], search: Sequence[str] = ()) -> dict[str, Any]:
    """The composed configuration as plain values, or BadInput for what Hydra refuses."""
    try:
        cfg = compose("config", [*overrides, *search], return_hydra_config=True)
        choices = cfg.hydra.runtime.choices
        own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        return plain(own, choices)
    except (HydraException, OmegaConfBaseException) as error:
        raise _complaint(overrides, search, error) from error


def _complaint(overrides: Sequence[str], search: Sequence[str], error: Exception) -> BadInput:
    """Which override is at fault, and the nearest name that would have been right."""
    loader = GlobalHydra.instance().config_loader()
    own = [o for o in parse(overrides) if not o.key_or_group.startswith("hydra")]
    groups = [o for o in own if loader.get_group_options(o.key_or_group)]
    for override in groups:
        options, value = loader.get_group_options(override.key_or_group), override.value()
        for option in value if isinstance(value, list) else [value]:
            if option is not None and option not in options:
                return BadInput(override.key_or_group, option, nearest(str(option), options))
    known = _keys(_container(compose("config", [*(str(o.input_line) for o in groups), *search])))
    for override in own:
        key = override.key_or_group
        if override not in groups and not override.is_add() and key not in known:
            return BadInput(key, override.get_value_element_as_str(), nearest(key, known))
    return BadInput("overrides", " ".join(overrides), " ".join(str(error).split()))


def _keys(config: dict[str, Any]) -> list[str]:
    """Every dotted key of a configuration, inner nodes too."""
    keys = list(config)
    for key, value in config.items():
        if isinstance(value, dict):
            keys += [f"{key}.{inner}" for inner in _keys(value)]
    return keys


def _container(cfg: DictConfig) -> dict[str, Any]:
    """Resolved plain values."""
    return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))


def plain(cfg: DictConfig, choices: Any) -> dict[str, Any]:
    """Resolved plain values, the chosen options' names, and every metric where all are wanted."""
    config = _container(cfg)
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
            metrics |= _container(cast(DictConfig, OmegaConf.load(file)))
    return metrics


def register_resolvers() -> None:
    """Names of directories: anchored, apart from each other, and not too long.

    Starts within one second, of one process or of several, differ in their ``unique``.
    """
    token = secrets.token_hex(4)

    def job_name(number: Any, overrides: str) -> str:
        return f"{number}_{overrides.replace(os.sep, '_')}"[:120]

    OmegaConf.register_new_resolver("outputs", lambda: str(HOME / "outputs"), replace=True)
    OmegaConf.register_new_resolver("unique", lambda: token, replace=True)
    OmegaConf.register_new_resolver("sweep_name", lambda c: c or "sweep", replace=True)
    OmegaConf.register_new_resolver("job_name", job_name, replace=True)
