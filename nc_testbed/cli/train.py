"""The verb ``train``: check everything that a
command line asks for, then make its runs."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_testbed.cli.door import VERBS, show, verb
from nc_testbed.cli.request import SingleRun, place_overrides, read_request, search_override
from nc_testbed.cli.resume import read_resume
from nc_testbed.config.compose import STUDY, compose_choices, compose_run, configurations
from nc_testbed.config.hydra_app import PRESETS, hand_over, read_options, register, run_single
from nc_testbed.config.output_dir import CONF
from nc_testbed.core.cache import caching
from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.safe_loading import check_folder

if TYPE_CHECKING:
    from nc_testbed.sweeps.planned import Sweep


@verb(page=None)
def main(words: Sequence[str]) -> None:
    """Make the run or the sweep that the words ask for, or print what they ask about."""
    register()
    with caching():
        options = read_options(words)
        if any(word.startswith("resume=") for word in options.overrides):
            _resume(options)
        elif options.help or (options.cfg == "job" and not options.package):
            show(_page(options))
        elif options.hydra_help or options.shell_completion or options.cfg or options.info:
            _ask_hydra(options)
        else:
            _train(options)


def _train(options: argparse.Namespace) -> None:
    """Check the run or the sweep, then make it."""
    search = search_override(options.overrides, options.config_dir)
    try:
        with configurations():
            request = read_request(options.overrides, options.multirun, search)
            if isinstance(request, SingleRun):
                return _make_run(request)
    except BadInput as error:
        raise _as_typed(error, options.overrides) from None
    _make_sweep(request, options)


def _as_typed(error: BadInput, words: Sequence[str]) -> BadInput:
    """The complaint about a directory, under ``out`` where that is what was typed."""
    is_place = error.key in ("hydra.run.dir", "hydra.sweep.dir")
    if is_place and any(word.startswith("out=") for word in words):
        return BadInput("out", error.value, error.remedy)
    return error


def _make_run(request: SingleRun) -> None:
    """Make a single run, then the figure of its study."""
    from nc_testbed.run.execute import execute

    directory: list[Path] = []

    def task(path: Path) -> None:
        execute(request.prepared, request.config, path)
        directory.append(path)

    run_single(request.composition.cfg, task)
    figure = request.study["figure"]
    if figure:
        name = request.composition.experiment or "figure"
        _draw(figure, directory, directory[0] / f"{name}.png")


def _make_sweep(sweep: Sweep, options: argparse.Namespace) -> None:
    """Make the runs of a sweep, then the figure of its study."""
    from nc_testbed.sweeps.job import run_launched  # torch: not for a wrong name or a help page
    from nc_testbed.sweeps.start import start

    options.multirun = True
    runs = start(sweep, lambda: hand_over(options, sweep.words, run_launched))
    figure = sweep.jobs[0].study["figure"]
    if figure:
        folder = sweep.folder if len(runs) > 1 else runs[0]
        _draw(figure, runs, folder / f"{sweep.name}.png")


def _draw(figure: Any, runs: Sequence[Path], path: Path) -> None:
    """The figure of a study, from the runs that have just been made."""
    from nc_testbed.report.named_study import draw_study

    print(f"figure: {draw_study(figure, runs, path)}")


def _resume(options: argparse.Namespace) -> None:
    """Go on with a run in its own directory;
    Hydra, which would make another, is not asked."""
    require(
        not options.multirun, "resume", "given", "a run goes on alone: leave out --multirun"
    )
    config, path = read_resume(options.overrides)

    from nc_testbed.run.execute import check_directory, execute
    from nc_testbed.run.prepare import prepare

    prepared = prepare(config)
    check_directory(path, config)
    execute(prepared, config, path)


def _page(options: argparse.Namespace) -> str:
    """What ``--help`` and ``--cfg job`` print."""
    from nc_testbed.cli.describe import Book
    from nc_testbed.cli.help_page import Choice, help_page, settings_page

    words = place_overrides(options.overrides)
    folder = options.config_dir
    search = search_override(words, folder)
    with configurations():
        settings, choices = compose_choices(words, search, options.resolve)
    book = Book([CONF, PRESETS] if folder is None else [CONF, PRESETS, Path(folder)])
    choice = Choice(settings, choices, book, STUDY)
    return help_page(choice) if options.help else settings_page(choice, options.overrides)


def _ask_hydra(options: argparse.Namespace) -> None:
    """Print what Hydra says of itself, of the configuration, or offers for completion."""
    words = place_overrides(options.overrides)
    if options.hydra_help or options.shell_completion:
        if options.config_dir is not None:
            check_folder(options.config_dir, "--config-dir")
    else:
        search = search_override(words, options.config_dir)
        with configurations():
            compose_run(words, search)
    if options.shell_completion:
        _complete_verb()
    hand_over(options, words, lambda cfg: None)


def _complete_verb() -> None:
    """Offer the verbs for the first word of a
    line; Hydra then reads it without ``train``."""
    line = os.environ.get("COMP_LINE", "")
    if re.fullmatch(r"\s*[^\s=]+\s+[a-z]*", line):
        print(" ".join(VERBS))
    os.environ["COMP_LINE"] = re.sub(r"^(\s*\S*nc-testbed\s+)train(\s)", r"\1\2", line)
