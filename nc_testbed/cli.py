"""The command line: the only module that imports Hydra. Compose, validate, run."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import hydra
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nc_testbed.settings import nearest
from nc_testbed.types import BadInput, require

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
CONF = ROOT / "conf" if (ROOT / "conf" / "config.yaml").is_file() else PACKAGE / "conf"
STUDY = ("figure", "full", "sweep")  # what belongs to a study and not to its runs
TOKEN = secrets.token_hex(3)  # keeps processes that start within one second apart


def main() -> None:
    """Check the command line; print one line and exit with 2 if it cannot be run; run it."""
    _register_resolvers()
    arguments = get_args_parser().parse_args()
    asks = ("help", "hydra_help", "version", "cfg", "info", "shell_completion")
    if not any(getattr(arguments, name, None) for name in asks):
        try:
            swept = check(arguments.overrides, arguments.multirun, arguments.config_dir)
        except BadInput as error:
            print(f"nc_testbed: {error}", file=sys.stderr)
            sys.exit(2)
        if swept:
            after = sys.argv.index(arguments.overrides[-1]) + 1  # overrides must stay together
            flag = [] if arguments.multirun else ["--multirun"]
            sys.argv[1:] = [*flag, *sys.argv[1:after], *swept, *sys.argv[after:]]
    _finished.clear()
    hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(_job)()
    _draw()


def check(overrides: Sequence[str], multirun: bool, config_dir: str | None = None) -> list[str]:
    """Compose and prepare every job of a command line; nothing is created.

    Returns the sweep that the chosen experiment adds to the overrides. Raises BadInput naming
    key, value and remedy.
    """
    search = [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"] if config_dir else []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        parsed = _parse(overrides)
        swept = _swept(parsed, search)
        jobs = [list(overrides)]
        if multirun or swept:
            jobs = BasicSweeper.split_arguments(_parse([*overrides, *swept]), None)[0]
        for job in jobs:
            config = _compose(job, search)
            _check_figure(config["figure"])
            config = {k: v for k, v in config.items() if k not in STUDY}
            path = next((o.value() for o in parsed if o.key_or_group == "hydra.run.dir"), None)
            _prepare(config, None if path is None else Path(str(path)))
    return swept


def _swept(parsed: Sequence[Override], search: list[str]) -> list[str]:
    """What an experiment sweeps over, as overrides, less the keys that are given."""
    given = {override.key_or_group for override in parsed}
    chosen = [o for o in parsed if o.key_or_group in ("experiment", "sweep")]
    if any(override.is_sweep_override() for override in chosen):
        return []
    sweep = _compose([str(o.input_line) for o in chosen], search)["sweep"] or {}
    listed = isinstance(sweep, dict) and all(isinstance(v, list) for v in sweep.values())
    require(listed, "sweep", sweep, "give {key: [values]}")
    swept = [
        f"{key}={','.join('null' if value is None else str(value) for value in values)}"
        for key, values in sweep.items()
        if key not in given
    ]
    several = "this study makes several runs: give hydra.sweep.dir"
    require(not swept or "hydra.run.dir" not in given, "hydra.run.dir", "given", several)
    return swept


def _check_figure(figure: dict[str, Any] | None) -> None:
    if figure:
        from nc_testbed.report.study import check  # matplotlib: only for a study

        check(figure)


def _draw() -> None:
    """The figure of a study, from the runs that have just been made, beside them."""
    if not _finished or not _finished[0][1]:
        return
    from nc_testbed.report.study import draw

    runs, (_, figure, name) = [path for path, _, _ in _finished], _finished[0]
    folder = runs[0].parent if len(runs) > 1 else runs[0]
    print(f"figure: {draw(figure, runs, folder / f'{name}.png')}")


def _job(cfg: DictConfig) -> None:
    """One run, in the directory that Hydra made for it."""
    from nc_testbed.run.run import execute

    hydra_config = HydraConfig.get()
    config = _plain(cfg, hydra_config.runtime.choices)
    path = Path(hydra_config.runtime.output_dir)
    figure, _, _ = (config.pop(key) for key in STUDY)
    execute(_prepare(config, None), config, path)
    _finished.append((path, figure, hydra_config.runtime.choices["experiment"] or "figure"))


def _prepare(config: dict[str, Any], path: Path | None) -> Any:
    """The checked run; the last one is kept, since a single run is checked before it starts."""
    # Models, data and TensorBoard: not needed for a wrong name, a help page or a completion.
    from nc_testbed.run.prepare import prepare
    from nc_testbed.run.run import check_directory

    if config["extensions"] and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    key = repr(config)
    if key not in _prepared:
        _prepared.clear()
        _prepared[key] = prepare({k: v for k, v in config.items() if k != "name"})
    if path is not None:
        check_directory(path, config)
    return _prepared[key]


_prepared: dict[str, Any] = {}
_finished: list[tuple[Path, Any, str]] = []


def _parse(overrides: Sequence[str]) -> list[Override]:
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


def _compose(overrides: Sequence[str], search: list[str]) -> dict[str, Any]:
    """The composed configuration as plain values, or BadInput for what Hydra refuses."""
    try:
        cfg = compose("config", [*overrides, *search], return_hydra_config=True)
        choices = cfg.hydra.runtime.choices
        own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        return _plain(own, choices)
    except (HydraException, OmegaConfBaseException) as error:
        raise _complaint(overrides, search, error) from error


def _complaint(overrides: Sequence[str], search: list[str], error: Exception) -> BadInput:
    """Which override is at fault, and the nearest name that would have been right."""
    loader = GlobalHydra.instance().config_loader()
    own = [o for o in _parse(overrides) if not o.key_or_group.startswith("hydra")]
    groups = [o for o in own if loader.get_group_options(o.key_or_group)]
    for override in groups:
        options, value = loader.get_group_options(override.key_or_group), override.value()
        for option in value if isinstance(value, list) else [value]:
            if option is not None and option not in options:
                return BadInput(override.key_or_group, option, nearest(str(option), options))
    known = _keys(_container(compose("config", [str(o.input_line) for o in groups] + search)))
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


def _plain(cfg: DictConfig, choices: Any) -> dict[str, Any]:
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


def _register_resolvers() -> None:
    """Names of directories: anchored, apart from each other, and not too long."""
    home = ROOT if (ROOT / "pyproject.toml").is_file() else Path.cwd()

    def job_name(number: Any, overrides: str) -> str:
        return f"{number}_{overrides.replace(os.sep, '_')}"[:120]

    OmegaConf.register_new_resolver("outputs", lambda: str(home / "outputs"), replace=True)
    OmegaConf.register_new_resolver("unique", lambda: TOKEN, replace=True)
    OmegaConf.register_new_resolver("sweep_name", lambda c: c or "sweep", replace=True)
    OmegaConf.register_new_resolver("job_name", job_name, replace=True)
