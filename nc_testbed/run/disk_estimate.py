"""What a run will need of the disk, estimated before anything is created."""

from __future__ import annotations

import shutil
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from nc_testbed.config.settings import Settings
from nc_testbed.core.errors import BadInput, require
from nc_testbed.core.interfaces import Sized
from nc_testbed.core.machine import Compute, total
from nc_testbed.loop.closed_loop import PICTURES
from nc_testbed.loop.statistics_loop import Laboratory
from nc_testbed.record.disk_errors import nearest_existing, readable_size
from nc_testbed.run.checks import bytes_of
from nc_testbed.run.prepare import Prepared

VIEW = 65_536
"""Bytes that TensorBoard's view takes in a generation: most are pictures, and 54 kB were measured
with the default settings."""
COLUMN = 330
"""Bytes of a column's description in a Parquet file."""


def need(run: Prepared | Laboratory, settings: Settings) -> int:
    """About how many bytes of the disk a run takes: what it writes, and a file for its rows while
    it runs where memory does not hold them."""
    if isinstance(run, Laboratory):
        recorded, columns = len(run.recorded), 10
        parameters = sum(value[0].numel() for value in run.truth.values())
        fits = 2 * 8 * run.chains * parameters * recorded  # and the sums they were made from
        return fits + _tables(settings, columns, recorded)
    classes = len(run.data.classes)
    recorded = len(settings.record.among(settings.generations))
    tables = _tables(settings, 4 * len(run.metrics) + 5 * classes, recorded)
    return _sets(run, settings) + _fits(run, settings) + tables + _scratch(run, settings)


def check_room(needed: int, generations: int, folder: Path) -> None:
    """Refuse a run that the folder's file system cannot hold, or that may not write there.

    What the folder holds already counts as written. Raises BadInput; leaves nothing behind.
    """
    there = nearest_existing(folder)
    files = (p for runs in ("", "*/") for p in folder.glob(f"{runs}generations/*/*"))
    held = sum(p.stat().st_size for p in files if p.is_file())
    free = shutil.disk_usage(there).free
    remedy = (
        f"the run needs about {readable_size(needed - held)} and {there} has "
        f"{readable_size(free)} free; give fewer "
        "chains, generations or rows (n), store=last or none, or make room"
    )
    require(needed - held <= free, "generations", generations, remedy)
    try:
        TemporaryDirectory(dir=there).cleanup()
    except OSError as error:
        remedy = f"{there}: {error.strerror}; name a directory that can be written"
        raise BadInput("hydra.run.dir", folder, remedy) from None


def _sets(run: Prepared, settings: Settings) -> int:
    """The synthetic sets that are kept, and the pictures of all generations."""
    store = getattr(settings, "store", "all")
    drawn = {"all": sum(run.sizes[1:]), "last": 2 * max(run.sizes[1:])}.get(store, 0)
    return bytes_of(settings.chains * (drawn + PICTURES * settings.generations), run.data.space)


def _fits(run: Prepared, settings: Settings) -> int:
    """The fits of all generations, of models that say how large theirs are."""
    if not isinstance(run.model, Sized):
        return 0
    first, *later = run.sizes[:-1]
    trained = [first, *(accumulate(later, initial=first) if run.policy.window is None else later)]
    rows = [min(m, settings.budget or m) for m in trained[: settings.generations]]
    return settings.chains * sum(run.model.disk_bytes(run.data.space, m) for m in rows)


def _tables(settings: Settings, columns: int, recorded: int) -> int:
    """Metrics in the generations, a copy of all and its successor; TensorBoard's view."""
    if settings.record.chains == "summary":
        return recorded * (columns * 3 * 200 + VIEW)
    drawn = 60 * min(settings.chains, 100) if settings.dashboard.single_chains else 0
    return recorded * (columns * (COLUMN + 3 * 8 * settings.chains + drawn) + VIEW)


def _scratch(run: Prepared, settings: Settings) -> int:
    """The file for rows that memory does not hold (see :mod:`nc_testbed.core.storage`)."""
    asked = settings.compute.memory
    memory = Compute(memory=None if asked == "auto" else asked).budget(run.device)
    window = run.policy.window or settings.generations
    rows = bytes_of(settings.chains * window * max(run.sizes[1:]), run.data.space)
    fits = rows <= memory // 2 - run.data.x.nbytes
    beside = run.device.type == "cuda" and rows <= total(torch.device("cpu")) // 2
    return 0 if fits or beside else rows
