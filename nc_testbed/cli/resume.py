"""``resume=<run dir>``: the settings of a run that is to go on where it ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nc_testbed.config.build import nearest
from nc_testbed.config.compose import parse
from nc_testbed.config.config_file import FREE, load_config, settings_hash
from nc_testbed.config.settings import GROUPS, of_run
from nc_testbed.core.errors import BadInput, require


def read_resume(overrides: Sequence[str]) -> tuple[dict[str, Any], Path]:
    """The settings and the directory of the run that ``resume=`` names, with what the
    other words change: only what decides no generation's result (``generations``,
    ``compute``, ``store``, ...).

    Raises BadInput for a directory without a run, and for settings that contradict it.
    """
    words = {override.key_or_group: override for override in parse(overrides)}
    path = Path(str(words.pop("resume").value()))
    config = run_settings(path)
    before = settings_hash(config)
    for key, override in words.items():
        _change(config, key, override.value())
        remedy = f"{path} was made with other settings (hash {before[:12]}); leave it out"
        same = settings_hash(config) == before
        require(same, key, override.get_value_element_as_str(), remedy)
    of_run(config)
    return config, path


def run_settings(path: Path, key: str = "resume") -> dict[str, Any]:
    """The settings a run was started with; raises BadInput where the path is no run."""
    try:
        config = load_config(path)
    except ValueError as error:
        remedy = f"{error}: start again with its settings and hydra.run.dir={path}"
        raise BadInput(key, path, remedy) from None
    except OSError as error:
        raise BadInput(key, path, f"cannot be read ({error.strerror})") from None
    if config is None:
        raise BadInput(key, path, "no run there: name a directory that holds its config.yaml")
    settings = {name: v for name, v in config.items() if name not in ("facts", "hash")}
    damaged = "config.yaml does not fit its own hash"
    require(settings_hash(settings) == config.get("hash"), key, path, damaged)
    for group in GROUPS:
        require(
            isinstance(settings.get(group), dict), key, path, f"config.yaml names no {group}"
        )
    return settings


def _change(config: dict[str, Any], key: str, value: Any) -> None:
    """Set ``a.b=value`` where there is such a setting."""
    *groups, name = key.split(".")
    node: Any = config
    for group in groups:
        node = node.get(group) if isinstance(node, dict) else None
    if not isinstance(node, dict) or name not in node:
        near = nearest(key, [free for free in FREE if free in config and free != "name"])
        raise BadInput(key, value, f"no setting of this run; {near}")
    node[name] = value
