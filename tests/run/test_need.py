"""What a run will take of the disk, held against what runs have taken."""

import shutil
import sys
from types import SimpleNamespace

import pytest

from nc_testbed.cli import train as cli
from nc_testbed.config.compose import compose_config, configurations
from nc_testbed.core.errors import BadInput
from nc_testbed.run import disk_estimate as module
from nc_testbed.run.disk_estimate import check_room, need
from nc_testbed.run.prepare import prepare

STUDY = ("figure", "sweep", "size", "full", "objective")
DIGITS = ["data=digits", "model=vae", "metrics=[recall]", "chains=2", "generations=5"]


def needed(*overrides: str) -> int:
    with configurations():
        config = {k: v for k, v in compose_config(list(overrides)).items() if k not in STUDY}
    return need(prepare(config))


def test_rows_fits_and_pictures_are_counted():
    sets = 2 * 5 * (100 + 64) * 64  # chains, generations, rows and pictures, pixels
    weights = (
        2 * 5 * 4 * (64 * 400 + 400 + 2 * (400 * 20 + 20) + 20 * 400 + 400 + 400 * 64 + 64)
    )
    estimate = needed(*DIGITS, "n=100", "policy=replace")
    assert sets + weights < estimate < sets + weights + 5 * 100_000
    longer = needed(*DIGITS, "n=200", "policy=replace")
    assert longer - estimate == 2 * 5 * 100 * 64


def test_rows_that_memory_does_not_hold_are_counted_once_more():
    run = [*DIGITS, "n=20000", "policy=accumulate"]
    archive = 2 * 5 * 20000 * 64
    assert needed(*run, f"compute.memory={2**24}") - needed(*run) == archive


def test_a_kernel_density_keeps_all_rows_it_was_fitted_to():
    run = ["data=swiss_roll", "model=kde", "metrics=[precision]", "chains=2", "n=100"]
    two, three = (needed(*run, "policy=accumulate", f"generations={g}") for g in (2, 3))
    first = needed(*run, "policy=accumulate", "generations=1")
    assert (three - two) - (two - first) == 2 * 100 * 8 * (2 + 1)  # the rows and their weights


def test_statistics_take_their_parameters_alone():
    law = ["data=gaussian", "model=gaussian", "policy=replace", "n=1000000000", "chains=1000"]
    assert needed(*law, "generations=10") < 10 * 1000 * 8 * 50


@pytest.mark.parametrize("sweep", [False, True])
def test_a_run_that_the_disk_does_not_hold_is_refused(sweep, tmp_path, monkeypatch, capsys):
    asked, path = [], tmp_path / "not" / "there"
    one = needed(*DIGITS, "policy=replace")
    free = 1.5 * one if sweep else 0.5 * one  # the first of two runs would fit

    def usage(folder):
        asked.append(folder)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    kind = ["-m", "seed=1,2", f"hydra.sweep.dir={path}"] if sweep else [f"hydra.run.dir={path}"]
    monkeypatch.setattr(sys, "argv", ["train.py", *kind, *DIGITS, "policy=replace"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr().err
    assert left.value.code == 2 and len(said.splitlines()) == 1
    assert said.startswith("nc_testbed: generations=5: the run needs about ")
    assert f"{tmp_path} has " in said and "store=last" in said
    assert set(asked) == {tmp_path} and not list(tmp_path.iterdir())


def test_what_is_there_has_been_paid_for(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    (tmp_path / "generations" / "0000").mkdir(parents=True)
    (tmp_path / "generations" / "0000" / "weights.safetensors").write_bytes(bytes(900))
    check_room(1000, 8, tmp_path)
    with pytest.raises(BadInput, match="needs about 101 bytes"):
        check_room(1001, 8, tmp_path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="Not a directory; name a directory"):
        check_room(0, 8, tmp_path / "file" / "run")

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "TemporaryDirectory", refuse)
    with pytest.raises(BadInput, match="Permission denied; name a directory"):
        check_room(0, 8, tmp_path / "run")
