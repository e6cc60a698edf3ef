"""The command line of a run or a sweep: validate everything, then run."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

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
    chosen,
    composed,
    configurations,
    parse,
    plain,
    register_resolvers,
)
from nc_testbed.describe import Book
from nc_testbed.help import Chosen, help_page, settings_page, show
from nc_testbed.once import shared
from nc_testbed.plain_yaml import check_folder
from nc_testbed.resume import resumed
from nc_testbed.settings import of_run
from nc_testbed.types import BadInput, require

JOBS = 10_000
"""Most runs of one sweep: every one is composed and checked before the first starts."""


def main() -> None:
    """Check the command line; print one line and exit with 2 if it cannot be run; run it."""
    try:
        with shared():
            _main()
    except KeyboardInterrupt:  # before a run has begun, which would have noted it
        sys.exit(130)


def _main() -> None:
    register_resolvers()
    try:
        arguments = _arguments()
        if any(word.startswith("resume=") for word in arguments.overrides):
            return _resume(arguments.overrides, arguments.multirun)
        if arguments.help or (arguments.cfg == "job" and not arguments.package):
            return show(_page(arguments))
        swept = _checked(arguments)
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
    require(not multirun, "resume", "given", "a run goes on alone: leave out --multirun")
    config, path = resumed(overrides)
    prepared = _prepare(config, path)

    from nc_testbed.run.run import execute

    execute(prepared, config, path)


def _arguments() -> argparse.Namespace:
    """Hydra's own options, less those that would have it read what has not been checked."""

    def refuse(message: str) -> NoReturn:
        raise BadInput(
            "arguments", " ".join(sys.argv[1:]), f"{message}; --help shows what there is"
        )

    parser = get_args_parser()
    parser.error = refuse  # argparse would print a page
    arguments = parser.parse_args()
    for name in ("config_name", "config_path", "experimental_rerun"):
        given, option = getattr(arguments, name, None), f"--{name.replace('_', '-')}"
        require(given is None, option, given, "use --config-dir to add files of your own")
    actions = ("run", "multirun", "cfg", "info", "shell_completion")
    chosen = [f"--{name.replace('_', '-')}" for name in actions if getattr(arguments, name, None)]
    require(len(chosen) < 2, "arguments", " ".join(chosen), "give one of these")
    shows = bool(arguments.cfg or arguments.help)
    require(shows or not arguments.resolve, "--resolve", "", "goes with --cfg or --help")
    return arguments


def _checked(arguments: argparse.Namespace) -> list[str]:
    """Check what a command line asks for; returns what :func:`check` adds to it."""
    folder, overrides = arguments.config_dir, arguments.overrides
    if arguments.hydra_help or arguments.shell_completion:
        if folder is not None:
            check_folder(folder, "--config-dir")
        return []
    if arguments.cfg or arguments.info:
        with configurations():
            composed(overrides, _search(overrides, folder))
        return []
    return check(overrides, arguments.multirun, folder)


def _page(arguments: argparse.Namespace) -> str:
    """What ``--help`` and ``--cfg job`` print."""
    words, folder = arguments.overrides, arguments.config_dir
    search = _search(words, folder)
    with configurations():
        settings, choices = chosen(words, search, arguments.resolve)
    book = Book([CONF] if folder is None else [CONF, Path(folder)])
    made = Chosen(settings, choices, book, STUDY)
    return help_page(made) if arguments.help else settings_page(made, words)


def _search(overrides: Sequence[str], config_dir: str | None) -> list[str]:
    """A folder of the user's as an override, once all that lies in it has been checked."""
    for override in parse(overrides):
        remedy = "use --config-dir, the folder that holds your groups"
        searched = override.key_or_group.startswith("hydra.searchpath")
        require(not searched, "hydra.searchpath", override.input_line, remedy)
    if config_dir is None:
        return []
    check_folder(config_dir, "--config-dir")
    path = str(Path(config_dir).resolve())
    return [f"hydra.searchpath=['file://{path.replace(chr(39), chr(92) + chr(39))}']"]


def check(overrides: Sequence[str], multirun: bool, config_dir: str | None = None) -> list[str]:
    """Compose and prepare every job of a command line; nothing is created.

    Returns the sweep that the chosen experiment adds to the overrides. Raises BadInput naming
    key, value and remedy.
    """
    search = _search(overrides, config_dir)
    with configurations():
        parsed = parse(overrides)
        swept = _swept(parsed, search)
        path = next((o.value() for o in parsed if o.key_or_group == "hydra.run.dir"), None)
        needed = 0
        for job in _jobs(parsed, swept, multirun):
            config = composed(job, search)
            _check_figure(config["figure"])
            config = {k: v for k, v in config.items() if k not in STUDY}
            settings = of_run(config)
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


def _jobs(parsed: Sequence[Override], swept: Sequence[str], multirun: bool) -> list[list[str]]:
    """The overrides of every job; BadInput for a sweep that cannot be listed, or is too long."""
    mode = next((o.value() for o in parsed if o.key_or_group == "hydra.mode"), None)
    overrides = [*parsed, *parse(swept)]
    require(
        mode != "RUN" or not multirun, "hydra.mode", mode, "-m makes several runs: leave it out"
    )
    if not (multirun or swept or mode == "MULTIRUN"):
        return [[str(override.input_line) for override in overrides]]
    jobs = 1
    for override in overrides:
        key, text = override.key_or_group, override.input_line
        if override.is_sweep_override():
            value = str(text).partition("=")[2]
            remedy = "list what is swept over: key=a,b"
            require(override.is_discrete_sweep(), key, value, remedy)
            require(not override.is_hydra_override(), key, value, "give one value")
            values = itertools.islice(override.sweep_string_iterator(), JOBS + 1)
            jobs *= sum(1 for _ in values)
            require(jobs <= JOBS, key, value, f"that is more than {JOBS} runs: give fewer values")
    return BasicSweeper.split_arguments(overrides, None)[0]


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


def _check_figure(figure: Any) -> None:
    if figure is not None:
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

    run = noted(cfg)
    try:
        execute(_prepare(run.config, None), run.config, run.path)
    except BadInput as error:  # the directory is in use, or holds a run on other data
        _refuse(error)
    _finished.append((run.path, run.figure, run.name))


class Noted(NamedTuple):
    """A run that Hydra asks for: its settings, its directory, its study's figure and name."""

    config: dict[str, Any]
    path: Path
    figure: Any
    name: str


def noted(cfg: DictConfig) -> Noted:
    """The run that Hydra is about to start, in the directory that it has made for it."""
    hydra_config = HydraConfig.get()
    config = plain(cfg, hydra_config.runtime.choices)
    figure = {key: config.pop(key) for key in STUDY}["figure"]
    name = hydra_config.runtime.choices["experiment"] or "figure"
    return Noted(config, Path(hydra_config.runtime.output_dir), figure, name)


def make_packed(runs: Sequence[Noted]) -> None:
    """Make all runs of a sweep, side by side where they fit together."""
    from nc_testbed.run.packed import Job, execute_all

    jobs = [Job(run.config, run.path) for run in runs]
    try:
        execute_all(jobs, lambda config: _prepare(config, None))
    except BadInput as error:
        _refuse(error)
    _finished.extend((run.path, run.figure, run.name) for run in runs)


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
