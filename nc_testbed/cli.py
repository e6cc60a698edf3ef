"""The command line of a run or a sweep: validate everything, then run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from nc_testbed.compose import CONF, HOME, STUDY, composed, configurations, parse
from nc_testbed.plain_yaml import check_folder
from nc_testbed.resolved import plain, register
from nc_testbed.resume import resumed
from nc_testbed.settings import of_run
from nc_testbed.sweeps.overrides import added, several
from nc_testbed.sweeps.planned import Sweep, planned
from nc_testbed.types import BadInput, require


def main() -> None:
    """Check the command line; print one line and exit with 2 if it cannot be run; run it."""
    try:
        _main()
    except KeyboardInterrupt:  # before a run has begun, which would have noted it
        sys.exit(130)


def _main() -> None:
    register()
    try:
        arguments = _arguments()
        if any(word.startswith("resume=") for word in arguments.overrides):
            return _resume(arguments.overrides, arguments.multirun)
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


def _checked(arguments: argparse.Namespace) -> tuple[list[str], Sweep | None]:
    """Check what a command line asks for; returns what :func:`check` does."""
    folder, overrides = arguments.config_dir, arguments.overrides
    if arguments.hydra_help or arguments.shell_completion:
        if folder is not None:
            check_folder(folder, "--config-dir")
        return [], None
    if arguments.help or arguments.cfg or arguments.info:
        with configurations():
            composed(overrides, _search(overrides, folder))
        return [], None
    return check(overrides, arguments.multirun, folder)


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


def check(
    overrides: Sequence[str], multirun: bool, config_dir: str | None = None
) -> tuple[list[str], Sweep | None]:
    """Compose and prepare every job of a command line that is not done; nothing is created.

    Returns what the chosen experiment adds to the overrides, and the sweep, None for a single run.
    Raises BadInput naming key, value and remedy.
    """
    search = _search(overrides, config_dir)
    with configurations():
        parsed = parse(overrides)
        swept = added(parsed, search)
        words = [*parsed, *parse(swept)]
        if several(parsed, swept, multirun):
            sweep = planned(words, search)
            _check_sweep(sweep)
            return swept, sweep
        config = composed([str(override.input_line) for override in words], search)
        _check_figure(config["figure"])
        path = next((o.value() for o in parsed if o.key_or_group == "hydra.run.dir"), None)
        settings = {key: value for key, value in config.items() if key not in STUDY}
        _check_room(settings, 0, _folder(path), None if path is None else Path(str(path)))
        return swept, None


def _check_sweep(sweep: Sweep) -> None:
    """Check every job that is not done, and whether there is room for all."""
    needed, times = 0, sweep.total / len(sweep.jobs)
    for job in sweep.jobs:
        if job.found is None:
            _check_figure(job.study["figure"])
            needed = _check_room(job.config, needed, sweep.folder, None, times)


def _check_room(
    config: dict[str, Any], needed: float, folder: Path, path: Path | None, times: float = 1
) -> float:
    """Prepare a run and add what it will write, so many times, to what is needed already."""
    settings = of_run(config)
    prepared = _prepare(config, path)
    from nc_testbed.run.need import check_room, need  # torch: not before it is needed

    needed += times * need(prepared, settings)
    check_room(int(needed), settings.generations, folder)
    return needed


def _folder(path: Any) -> Path:
    """The directory that is asked for, or one that is still to be made where runs go."""
    asked = str(HOME / "outputs" / "${}" if path is None else path)
    return Path(asked.split("${")[0] + "new" if "${" in asked else asked)


def _check_figure(figure: Any) -> None:
    if figure is not None:
        from nc_testbed.report.study import check  # matplotlib: only for a study

        check(figure)


def _draw(runs: Sequence[Path], figure: Mapping[str, Any], path: Path) -> None:
    """The figure of a study, from the runs that have just been made."""
    from nc_testbed.report.study import draw

    print(f"figure: {draw(figure, runs, path)}")


def _job(cfg: DictConfig) -> float | None:
    """One run, in the directory that Hydra made for it; returns the objective of a search."""
    hydra_config = HydraConfig.get()
    config = plain(cfg, hydra_config.runtime.choices)
    path = Path(hydra_config.runtime.output_dir)
    study = {key: config.pop(key) for key in STUDY}
    if hydra_config.mode is RunMode.MULTIRUN:
        return _job_of_sweep(hydra_config, config, path, study["objective"])
    from nc_testbed.run.run import execute

    try:
        execute(_prepare(config, None), config, path)
    except BadInput as error:  # the directory is in use, or holds a run on other data
        _refuse(error)
    if study["figure"]:
        name = hydra_config.runtime.choices["experiment"] or "figure"
        _finished[:] = [[path], study["figure"], path / f"{name}.png"]
    return None


def _job_of_sweep(hydra_config: Any, config: dict[str, Any], path: Path, node: Any) -> float | None:
    from nc_testbed.run.run import execute
    from nc_testbed.sweeps.job import Job, run
    from nc_testbed.sweeps.objective import objective_of

    os.chdir(hydra_config.runtime.cwd)  # a worker of a cluster begins elsewhere
    job = hydra_config.job
    this = Job(int(job.num), str(job.override_dirname), path, Path(hydra_config.sweep.dir))
    return run(
        this, config, lambda: execute(_prepare(config, None), config, path), objective_of(node)
    )


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
_finished: list[Any] = []
"""What :func:`_draw` takes of a single run that has just been made."""
