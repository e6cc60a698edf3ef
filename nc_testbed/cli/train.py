"""The command line of a run or a sweep: validate everything, then run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from nc_testbed.cli.checking import check, prepared, searched
from nc_testbed.cli.describe import Book
from nc_testbed.cli.help_page import Chosen, help_page, settings_page, show
from nc_testbed.cli.resume import resumed
from nc_testbed.config.compose import CONF, STUDY, chosen, composed, configurations
from nc_testbed.config.omegaconf import PRESETS, plain, register
from nc_testbed.core.cache import caching
from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.safe_yaml import check_folder
from nc_testbed.sweeps.planned import Sweep

if TYPE_CHECKING:
    from nc_testbed.sweeps.job import Job


def main() -> None:
    """Check the command line; print one line and exit with 2 if it cannot be run; run it."""
    try:
        with caching():
            _main()
    except KeyboardInterrupt:  # before a run has begun, which would have noted it
        sys.exit(130)


def _main() -> None:
    register()
    try:
        arguments = _arguments()
        if any(word.startswith("resume=") for word in arguments.overrides):
            return _resume(arguments.overrides, arguments.multirun)
        if arguments.help or (arguments.cfg == "job" and not arguments.package):
            return show(_page(arguments))
        swept, sweep = _checked(arguments)
        _add(arguments, swept, sweep)
        run = hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(_job)
        if sweep is not None:
            return _sweep(sweep, run)
    except BadInput as error:
        _refuse(error)
    _finished.clear()
    run()
    if _finished:
        _draw(*_finished)


def _add(arguments: argparse.Namespace, swept: Sequence[str], sweep: Sweep | None) -> None:
    """Put what a study adds, and where a sweep lies, among the words that Hydra will read."""
    words = [*swept, *(sweep.places if sweep else [])]
    given = arguments.overrides
    after = sys.argv.index(given[-1]) + 1 if given else len(sys.argv)  # they must stay together
    mode = any(word.startswith("hydra.mode=") for word in given)
    flag = ["--multirun"] if sweep and not (arguments.multirun or mode) else []
    sys.argv[1:] = [*flag, *sys.argv[1:after], *words, *sys.argv[after:]]


def _sweep(sweep: Sweep, run: Callable[[], Any]) -> None:
    """Make the runs of a sweep, then the figure of its study."""
    from nc_testbed.sweeps.start import start  # torch: not for a wrong name or a help page

    runs, figure = start(sweep, run), sweep.jobs[0].study["figure"]
    if figure:
        folder = sweep.folder if len(runs) > 1 else runs[0]
        _draw(runs, figure, folder / f"{sweep.name}.png")


def _refuse(error: BadInput) -> NoReturn:
    print(f"nc_testbed: {error}", file=sys.stderr)
    sys.exit(2)


def _resume(overrides: Sequence[str], multirun: bool) -> None:
    """Go on with a run in its own directory; Hydra, which would make another, is not asked."""
    require(not multirun, "resume", "given", "a run goes on alone: leave out --multirun")
    config, path = resumed(overrides)
    run = prepared(config, path)

    from nc_testbed.run.execute import execute

    execute(run, config, path)


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


def _checked(arguments: argparse.Namespace) -> tuple[list[str], Sweep | None]:
    """Check what a command line asks for; returns what :func:`check` does."""
    folder, overrides = arguments.config_dir, arguments.overrides
    if arguments.hydra_help or arguments.shell_completion:
        if folder is not None:
            check_folder(folder, "--config-dir")
        return [], None
    if arguments.cfg or arguments.info:
        with configurations():
            composed(overrides, searched(overrides, folder))
        return [], None
    return check(overrides, arguments.multirun, folder)


def _page(arguments: argparse.Namespace) -> str:
    """What ``--help`` and ``--cfg job`` print."""
    words, folder = arguments.overrides, arguments.config_dir
    search = searched(words, folder)
    with configurations():
        settings, choices = chosen(words, search, arguments.resolve)
    book = Book([CONF, PRESETS] if folder is None else [CONF, PRESETS, Path(folder)])
    made = Chosen(settings, choices, book, STUDY)
    return help_page(made) if arguments.help else settings_page(made, words)


def _draw(runs: Sequence[Path], figure: Mapping[str, Any], path: Path) -> None:
    """The figure of a study, from the runs that have just been made."""
    from nc_testbed.report.named_study import draw_study

    print(f"figure: {draw_study(figure, runs, path)}")


def _job(cfg: DictConfig) -> float | None:
    """One run, in the directory that Hydra made for it; returns the objective of a search."""
    from nc_testbed.run.execute import execute

    hydra_config = HydraConfig.get()
    if hydra_config.mode is RunMode.MULTIRUN:
        return _job_of_sweep(cfg)
    config = plain(cfg, hydra_config.runtime.choices)
    path = Path(hydra_config.runtime.output_dir)
    figure = {key: config.pop(key) for key in STUDY}["figure"]
    try:
        execute(prepared(config), config, path)
    except BadInput as error:  # the directory is in use, or holds a run on other data
        _refuse(error)
    if figure:
        name = hydra_config.runtime.choices["experiment"] or "figure"
        _finished[:] = [[path], figure, path / f"{name}.png"]
    return None


def _job_of_sweep(cfg: DictConfig) -> float | None:
    from nc_testbed.sweeps.job import run

    os.chdir(HydraConfig.get().runtime.cwd)  # a worker of a cluster begins elsewhere
    return run(job_of_sweep(cfg), prepared)


def job_of_sweep(cfg: DictConfig) -> Job:
    """The job of a sweep that Hydra is about to start, in the directory that it made for it."""
    from nc_testbed.sweeps.job import Job
    from nc_testbed.sweeps.objective import objective_of

    hydra_config = HydraConfig.get()
    config = plain(cfg, hydra_config.runtime.choices)
    objective = {key: config.pop(key) for key in STUDY}["objective"]
    return Job(
        number=int(hydra_config.job.num),
        label=str(hydra_config.job.override_dirname),
        path=Path(hydra_config.runtime.output_dir),
        sweep=Path(hydra_config.sweep.dir),
        config=config,
        objective=objective_of(objective),
    )


_finished: list[Any] = []
"""What :func:`_draw` takes of a single run that has just been made."""
