"""What a command line asks for: composed, and every
run prepared, before anything is created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_testbed.config.compose import Composition, compose_run
from nc_testbed.config.output_dir import HOME, output
from nc_testbed.config.overrides import (
    check_single_values,
    is_sweep,
    line_of,
    parse,
    quote_text,
    study_overrides,
)
from nc_testbed.config.settings import of_run
from nc_testbed.core.errors import require
from nc_testbed.core.safe_loading import check_folder

if TYPE_CHECKING:
    from nc_testbed.sweeps.planned import Sweep


@dataclass(frozen=True)
class SingleRun:
    """One run that can be made: as composed, its
    settings, its study's, and what it runs with."""

    composition: Composition
    config: dict[str, Any]
    study: dict[str, Any]
    prepared: Any


def search_override(overrides: Sequence[str], config_dir: str | None) -> list[str]:
    """A folder of the user's as an override,
    once all that lies in it has been checked."""
    for override in parse(overrides):
        remedy = "use --config-dir, the folder that holds your groups"
        is_path = override.key_or_group.startswith("hydra.searchpath")
        require(not is_path, "hydra.searchpath", line_of(override), remedy)
    if config_dir is None:
        return []
    check_folder(config_dir, "--config-dir")
    return [f"hydra.searchpath=[{quote_text(f'file://{Path(config_dir).resolve()}')}]"]


def place_overrides(words: Sequence[str]) -> list[str]:
    """The overrides with ``out=`` as Hydra knows
    it: the directory of a run, or of a sweep."""
    out = [word.partition("=")[2] for word in words if word.startswith("out=")]
    others = [word for word in words if not word.startswith("out=")]
    if not out:
        return others
    for key in ("hydra.run.dir", "hydra.sweep.dir"):
        single = not any(word.startswith(f"{key}=") for word in others)
        require(single, "out", out[-1], f"is {key} too: give one of them")
    folder = quote_text(str(output("out", out[-1])))
    return [*others, f"hydra.run.dir={folder}", f"hydra.sweep.dir={folder}"]


def read_request(words: Sequence[str], multirun: bool, search: list[str]) -> SingleRun | Sweep:
    """Compose and prepare every job of a command line that is not done; nothing is
    created.

    words: the overrides, ``out=`` among them. search: where more configuration files lie.
    Raises BadInput naming key, value and remedy. Call it within
    ``compose.configurations``.
    """
    typed_words = parse([word for word in words if not word.startswith("out=")])
    parsed = parse(place_overrides(words))
    several = is_sweep(parsed, multirun)
    shared = [line_of(override) for override in parsed if not override.is_sweep_override()]
    composition = compose_run(shared, search)
    # What a study adds is read off what was composed; only then is a run composed once more.
    added = study_overrides(composition.config, typed_words)
    if several or any(override.is_sweep_override() for override in parse(added)):
        from nc_testbed.sweeps.planned import plan_sweep  # not for a single run

        sweep = plan_sweep([*parsed, *parse(added)], search)
        _check_sweep(sweep)
        return sweep
    check_single_values(parsed)
    if added:
        composition = compose_run([*shared, *added], search)
    return _single_run(composition, any(o.key_or_group == "hydra.run.dir" for o in parsed))


def _single_run(composition: Composition, is_placed: bool) -> SingleRun:
    """Prepare one run; is_placed: whether its directory was named, and may hold a run."""
    config, study = composition.split()
    _check_figure(study["figure"])
    path = Path(str(composition.launch["run.dir"])) if is_placed else None
    settings = of_run(config)  # names and ranges before torch is imported

    from nc_testbed.run.disk_estimate import check_room, need
    from nc_testbed.run.prepare import prepare

    prepared = prepare(config)
    if path is not None:
        from nc_testbed.run.execute import check_directory  # TensorBoard: not sooner

        check_directory(path, config)
    folder = HOME / "outputs" / "new" if path is None else path
    check_room(int(need(prepared)), settings.generations, folder)
    return SingleRun(composition, config, study, prepared)


def _check_sweep(sweep: Sweep) -> None:
    """Check every job that is not done, and whether the disk has room for all of them."""
    bytes_needed = 0.0
    times = sweep.total / len(sweep.jobs)
    for job in sweep.jobs:
        if job.manifest is None:
            _check_figure(job.study["figure"])
            settings = of_run(job.config)

            from nc_testbed.run.disk_estimate import check_room, need
            from nc_testbed.run.prepare import prepare

            bytes_needed += times * need(prepare(job.config))
            check_room(int(bytes_needed), settings.generations, sweep.folder)


def _check_figure(figure: Mapping[str, Any] | None) -> None:
    """Refuse what a study cannot draw."""
    if figure is not None:
        from nc_testbed.report.named_study import check_study  # matplotlib: only for a study

        check_study(figure)
