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
from nc_testbed.core.machine import total
from nc_testbed.loop.closed_loop import PICTURES
from nc_testbed.record.disk_errors import nearest_existing, readable_size
from nc_testbed.run.checks import bytes_of
from nc_testbed.run.prepare import Prepared

VIEW = 65_536
"""Bytes that TensorBoard's view takes in a generation: most are pictures, and 54 kB
were measured with the default settings."""
COLUMN = 330
"""Bytes of a column's description in a Parquet file."""


def need(run: Prepared) -> int:
    """About how many bytes of the disk a run takes: what it writes, and a file for its
    rows while it runs where memory does not hold them."""
    settings = run.settings
    recorded = len(settings.record.among(settings.generations))
    if run.store.draw == "statistics":
        parameters = sum(value[0].numel() for value in run.data.true_parameters[0][1].values())
        # The parameters of every fit, and the sums that it was made from.
        weights = 2 * 8 * settings.chains * parameters * recorded
        return weights + _tables(settings, 10, recorded)
    tables = _tables(settings, 4 * len(run.metrics) + 5 * len(run.data.classes), recorded)
    return _sets(run) + _fits(run) + tables + _scratch(run)


def check_room(needed: int, generations: int, folder: Path) -> None:
    """Refuse a run that the folder's file system cannot hold, or that may not write
    there.

    What the folder holds already counts as written. Raises BadInput; leaves nothing
    behind.
    """
    existing = nearest_existing(folder)
    files = (p for runs in ("", "*/") for p in folder.glob(f"{runs}generations/*/*"))
    written = sum(p.stat().st_size for p in files if p.is_file())
    free = shutil.disk_usage(existing).free
    remedy = (
        f"the run needs about {readable_size(needed - written)} and {existing} has "
        f"{readable_size(free)} free; give fewer "
        "chains, generations or rows (n), store=last or none, or make room"
    )
    require(needed - written <= free, "generations", generations, remedy)
    try:
        TemporaryDirectory(dir=existing).cleanup()
    except OSError as error:
        remedy = f"{existing}: {error.strerror}; name a directory that can be written"
        raise BadInput("hydra.run.dir", folder, remedy) from None


def _sets(run: Prepared) -> int:
    """The synthetic sets that are kept, and the pictures of all generations."""
    settings = run.settings
    rows = {"all": sum(run.sizes[1:]), "last": 2 * max(run.sizes[1:]), "none": 0}[
        settings.store
    ]
    return bytes_of(settings.chains * (rows + PICTURES * settings.generations), run.data.space)


def _fits(run: Prepared) -> int:
    """The fits of all generations, of models that say how large theirs are."""
    settings = run.settings
    if not isinstance(run.model, Sized):
        return 0
    first, *later = run.sizes[:-1]
    trained = [
        first,
        *(accumulate(later, initial=first) if run.policy.window is None else later),
    ]
    rows = [min(m, settings.budget or m) for m in trained[: settings.generations]]
    return settings.chains * sum(run.model.disk_bytes(run.data.space, m) for m in rows)


def _tables(settings: Settings, columns: int, recorded: int) -> int:
    """Metrics in the generations, a copy of all and its successor; TensorBoard's view."""
    if settings.record.chains == "summary":
        return recorded * (columns * 3 * 200 + VIEW)
    curves = 60 * min(settings.chains, 100) if settings.dashboard.single_chains else 0
    return recorded * (columns * (COLUMN + 3 * 8 * settings.chains + curves) + VIEW)


def _scratch(run: Prepared) -> int:
    """The file for rows that memory does not
    hold (see :mod:`nc_testbed.core.storage`)."""
    window = run.policy.window or run.settings.generations
    rows = bytes_of(run.settings.chains * window * max(run.sizes[1:]), run.data.space)
    if rows <= run.compute.budget(run.device) // 2 - run.data.x.nbytes:
        return 0
    beside_gpu = run.device.type == "cuda" and rows <= total(torch.device("cpu")) // 2
    return 0 if beside_gpu else rows
