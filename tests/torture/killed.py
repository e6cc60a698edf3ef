"""Runs that are killed, or whose writes fail, at a chosen step: imported once, forked for each.

A line of JSON, {name, path, at, action, changed, after}, starts the run ``name`` of RUNS in a
child. Its ``at``-th step on files (make a folder, open, write, flush to disk, rename, remove; 0 =
none) kills it or fails as on a full disk; ``after`` so many seconds it is killed wherever it is.
The server answers with the child's exit status.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
GMM = ["data=digits", "model=gmm", "model.components=2", "model.covariance=diagonal",
       "model.max_iter=5", "data.rows=100", "chains=2", "generations=4",
       "metrics=[parameters]"]  # fmt: skip
RUNS = {
    "anchor": [*GMM, "policy=anchor"],
    "none": [*GMM, "policy=accumulate", "store=none"],
    "last": [*GMM, "policy=replace", "store=last"],
    "family": ["data=gaussian", "model=gaussian", "policy=accumulate", "n=50", "chains=100",
               "generations=6", "record.generations=2"],
}  # fmt: skip


class Steps:
    """Counts what is done to files, and ends or fails the one it was told to."""

    def __init__(self, at: int, action: str, told: int):
        self.count, self._at, self._action, self._told = 0, at, action, told
        for name in ("mkdir", "rename", "fsync", "unlink"):
            setattr(os, name, self._counting(getattr(os, name)))

    def open(self, path, mode):
        self._step()
        return Written(open(path, mode), self._step)

    def _counting(self, function):
        def counted(*arguments, **named):
            self._step()
            return function(*arguments, **named)

        return counted

    def _step(self):
        self.count += 1
        os.pwrite(self._told, str(self.count).encode(), 0)
        if self.count == self._at and self._action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.count == self._at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Written:
    """A file whose writes are counted; one that fails has written half."""

    def __init__(self, file, step):
        self._file, self._step = file, step

    def write(self, data):
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        self._step()
        self._file.write(data[len(data) // 2 :])

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)


def serve() -> None:
    from nc_testbed.config import compose
    from nc_testbed.core import rng
    from nc_testbed.record import directory
    from nc_testbed.run import execute as run
    from nc_testbed.run.prepare import prepare

    made = {}
    with compose.configurations():
        for name, words in RUNS.items():
            config = compose.compose_config(words)
            config = {k: v for k, v in config.items() if k not in compose.STUDY}
            made[name] = prepare(config), config
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child:
            if order["after"] is not None:
                time.sleep(order["after"])
                os.kill(child, signal.SIGKILL)  # its number is taken until it is waited for
            print(json.dumps(os.waitstatus_to_exitcode(os.wait()[1])), flush=True)
            continue
        log = os.open(f"{order['path']}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1), os.dup2(log, 2)
        told = os.open(f"{order['path']}.steps", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        status = 0
        try:
            if order["changed"]:
                rng.key = changed(rng.key)
            steps = Steps(order["at"], order["action"], told)
            directory.open = steps.open
            run.execute(*made[order["name"]], Path(order["path"]))
        except BaseException:
            sys.excepthook(*sys.exc_info())
            status = 1
        sys.stderr.flush()
        os._exit(status)


def changed(key):
    """The keys of streams, one of them another: samples of chain 1 at generation 2."""
    return lambda s, c, g, p: key(s, c, g, p) + ((c, g, p) == (1, 2, "sample.component"))


class Killed:
    """The server, as tests see it."""

    def __init__(self):
        env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        pipe, command = subprocess.PIPE, [sys.executable, __file__]
        self._server = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)
        assert self._server.stdout.readline() == "ready\n"

    def run(self, name, path: Path, at=0, action="kill", changed=False, after=None) -> int:
        """Start a run and wait for its exit status; minus the signal that killed it."""
        order = {
            "name": name,
            "path": str(path),
            "at": at,
            "action": action,
            "changed": changed,
        }
        print(json.dumps(order | {"after": after}), file=self._server.stdin, flush=True)
        return int(self._server.stdout.readline())

    def close(self) -> None:
        with self._server:
            self._server.stdin.close()


def steps(path: Path) -> int:
    """How many steps on files the last run in this directory took."""
    return int(Path(f"{path}.steps").read_text())


if __name__ == "__main__":
    serve()
