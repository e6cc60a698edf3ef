"""The command line of a run or a sweep: validate everything, then run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from nc_testbed.compose import (
    CONF,
    HOME,
    STUDY,
    composed,
    configurations,
    parse,
    plain,
    register_resolvers,
)
from nc_testbed.resume import resumed
from nc_testbed.settings import of_run
from nc_testbed.types import BadInput, require


def main() -> None:
    """Check the command line; print one line and exit with 2 if it cannot be run; run it."""
    try:
        _main()
    except KeyboardInterrupt:  # before a run has begun, which would have noted it
        sys.exit(130)


def _main() -> None:
    register_resolvers()
    arguments = get_args_parser().parse_args()
    if any(word.startswith("resume=") for word in arguments.overrides):
        return _resume(arguments.overrides, arguments.multirun)
    asks = ("help", "hydra_help", "version", "cfg", "info", "shell_completion")
    if not any(getattr(arguments, name, None) for name in asks):
        try:
            swept = check(arguments.overrides, arguments.multirun, arguments.config_dir)
        except BadInput as error:
            _refuse(error)
        if swept:
            after = sys.argv.index(arguments.overrides[-1]) + 1  # overrides must stay together
            several = any(override.is_sweep_override() for override in parse(swept))
            flag = ["--multirun"] if several and not arguments.multirun else []
            sys.argv[1:] = [*flag, *sys.argv[1:after], *swept, *sys.argv[after:]]
    _finished.clear()
    hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(_job)()
    _draw()


def _refuse(error: BadInput) -> NoReturn:
    print(f"nc_testbed: {error}", file=sys.stderr)
    sys.exit(2)


def _resume(overrides: Sequence[str], multirun: bool) -> None:
    """Go on with a run in its own directory; Hydra, which would make another, is not asked."""
    try:
        require(not multirun, "resume", "given", "a run goes on alone: leave out --multirun")
        config, path = resumed(overrides)
        prepared = _prepare(config, path)

        from nc_testbed.run.run import execute

        execute(prepared, config, path)
    except BadInput as error:
        _refuse(error)


def check(overrides: Sequence[str], multirun: bool, config_dir: str | None = None) -> list[str]:
    """Compose and prepare every job of a command line; nothing is created.

    Returns the sweep that the chosen experiment adds to the overrides. Raises BadInput naming
    key, value and remedy.
    """
    search = [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"] if config_dir else []
    with configurations():
        parsed = parse(overrides)
        swept = _swept(parsed, search)
        jobs, needed = [list(overrides)], 0
        if multirun or swept:
            jobs = BasicSweeper.split_arguments(parse([*overrides, *swept]), None)[0]
        for job in jobs:
            config = composed(job, search)
            _check_figure(config["figure"])
            config = {k: v for k, v in config.items() if k not in STUDY}
            settings = of_run(config)
            path = next((o.value() for o in parsed if o.key_or_group == "hydra.run.dir"), None)
            prepared = _prepare(config, None if path is None else Path(str(path)))
            from nc_testbed.run.need import check_room, need  # torch: not before it is needed

            needed += need(prepared, settings)
            check_room(needed, settings.generations, _folder(parsed))
    return swept


def _folder(parsed: Sequence[Override]) -> Path:
    """The directory that is asked for, or one that is still to be made where runs go."""
    given = (
        str(o.value()) for o in parsed if o.key_or_group in ("hydra.run.dir", "hydra.sweep.dir")
    )
    asked = next(given, str(HOME / "outputs" / "${}"))
    return Path(asked.split("${")[0] + "new" if "${" in asked else asked)


def _swept(parsed: Sequence[Override], search: list[str]) -> list[str]:
    """What an experiment sweeps over, and what its full size changes, as overrides, less the
    keys that are given."""
    given = {override.key_or_group for override in parsed}
    chosen = [o for o in parsed if o.key_or_group in ("experiment", "sweep", "size", "full")]
    if any(override.is_sweep_override() for override in chosen):
        return []
    study = composed([str(o.input_line) for o in chosen], search)
    added = {key: value for key, value in _added(study).items() if key not in given}
    several = "this study makes several runs: give hydra.sweep.dir"
    many = any(len(values) > 1 for values in added.values())
    require(not many or "hydra.run.dir" not in given, "hydra.run.dir", "given", several)
    return [
        f"{key}={','.join('null' if value is None else str(value) for value in values)}"
        for key, values in added.items()
    ]


def _added(study: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Every key that a study sets beside its file, with its values: several are swept over."""
    sweep, full, size = study["sweep"] or {}, study["full"] or {}, study["size"]
    listed = isinstance(sweep, dict) and all(isinstance(v, list) for v in sweep.values())
    require(listed, "sweep", sweep, "give {key: [values]}")
    require(size in ("quick", "full"), "size", size, "give quick or full")
    require(isinstance(full, dict), "full", full, "give {key: value or [values]}")
    if size == "full":
        require(bool(full), "size", size, "this experiment has one size; leave it out")
        sweep = sweep | {k: v if isinstance(v, list) else [v] for k, v in full.items()}
    return sweep


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
    config = plain(cfg, hydra_config.runtime.choices)
    path = Path(hydra_config.runtime.output_dir)
    figure = {key: config.pop(key) for key in STUDY}["figure"]
    try:
        execute(_prepare(config, None), config, path)
    except BadInput as error:  # the directory is in use, or holds a run on other data
        _refuse(error)
    _finished.append((path, figure, hydra_config.runtime.choices["experiment"] or "figure"))


def _prepare(config: dict[str, Any], path: Path | None) -> Any:
    """The checked run; the last one is kept, since a single run is checked before it starts."""
    # torch and all that needs it: not for a wrong name or range, a help page or a completion.
    from nc_testbed.run.prepare import prepare

    if config["extensions"] and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    key = repr(config)
    if key not in _prepared:
        _prepared.clear()
        _prepared[key] = prepare(config)
    if path is not None:
        from nc_testbed.run.run import check_directory  # TensorBoard: only for a given directory

        check_directory(path, config)
    return _prepared[key]


_prepared: dict[str, Any] = {}
_finished: list[tuple[Path, Any, str]] = []
