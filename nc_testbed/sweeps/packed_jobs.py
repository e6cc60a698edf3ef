"""All jobs of a sweep in this process, side by side where they fit."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from nc_testbed.run import packed
from nc_testbed.run.packed import Pair, Prepare
from nc_testbed.sweeps.finished_jobs import complete_manifest
from nc_testbed.sweeps.job import SweepJob, log_to_run, run_job


def run_all(jobs: Sequence[SweepJob], prepare: Prepare) -> list[float | None]:
    """Make the runs of all jobs that are not there, and leave word of each; returns the
    objectives.

    Where a pack fails each of its jobs goes on alone, and says by itself what is wrong
    with it.
    """
    missing = {job.path: job for job in jobs if complete_manifest(job.path, job.config) is None}
    runs = [packed.Job(job.config, job.path) for job in missing.values()]
    values: dict[int, float | None] = {}
    with contextlib.suppress(Exception):  # one cannot be prepared: all that is left goes alone
        for pack in packed.all_packs(runs, prepare):
            members = [missing[member.path] for member, _ in pack]
            start_time = time.monotonic()
            if len(pack) > 1:
                _side_by_side(pack, members, start_time)
            values |= {job.number: run_job(job, prepare, start_time) for job in members}
    return [
        values[job.number] if job.number in values else run_job(job, prepare) for job in jobs
    ]


def _side_by_side(pack: Sequence[Pair], jobs: Sequence[SweepJob], start_time: float) -> None:
    """Make the runs of a pack; what they print is in the log of the first."""
    for job in jobs:
        job.teller(start_time)("running")
    try:
        with log_to_run(jobs[0].path):
            packed.execute_pack(pack)
    except Exception as error:
        with log_to_run(jobs[0].path):
            print(f"each goes on alone, since together they failed: {error}")
    except SystemExit as left:
        if not isinstance(left.code, str):  # a signal: the sweep ends
            for job in jobs:
                job.teller(start_time)("stopped", f"status {left.code}")
            raise
