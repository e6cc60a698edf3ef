"""Runs in processes of their own at the price of a fork: imported once, forked for every run.

A line of JSON, {arguments, log, files?, memory?}, starts ``train.py`` with these arguments in a
child whose output goes to the log; files is the most bytes a file of it may have, memory how many
it may map beside what it has. The server answers with the
child's process id, and with its exit status when an empty line asks for the next that has ended.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def serve() -> None:
    import sklearn.datasets  # noqa: F401  what a run would import
    import torch._dynamo  # noqa: F401  as autograd does

    from nc_testbed.cli import train as cli
    from nc_testbed.run import execute, prepare  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        if not line.strip():
            child, status = os.wait()
            print(json.dumps([child, os.waitstatus_to_exitcode(status)]), flush=True)
            continue
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(order, cli.main)
        print(child, flush=True)


def _run(order, main) -> None:
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1), os.dup2(log, 2)
    if order.get("files"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["files"], order["files"]))
    if order.get("memory"):
        most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (most + order["memory"], most + order["memory"]))
    sys.argv = ["train.py", *order["arguments"]]
    status = 0
    try:
        main()
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1 if left.code else 0
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class Forked:
    """The server, as tests see it."""

    def __init__(self, **environment: str):
        env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
        command = [sys.executable, __file__]
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)
        assert self._server.stdout.readline() == "ready\n"

    def start(self, log: Path, *arguments: str, **limits: int) -> int:
        """Start a run, with limits on files or memory in bytes; its process id."""
        order = {"arguments": [str(a) for a in arguments], "log": str(log)} | limits
        return int(self._ask(json.dumps(order)))

    def wait(self) -> tuple[int, int]:
        """Process id and exit status of the next run that ends; minus a signal that killed it."""
        child, status = json.loads(self._ask(""))
        return child, status

    def run(self, log: Path, *arguments: str, **limits: int) -> int:
        """Start a run and wait for its exit status."""
        child = self.start(log, *arguments, **limits)
        ended, status = self.wait()
        assert ended == child
        return status

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def _ask(self, line: str) -> str:
        print(line, file=self._server.stdin, flush=True)
        return self._server.stdout.readline()


def record(run: Path) -> dict[str, bytes]:
    """Every byte that must be the same however often a run was interrupted."""
    files = [run / "metrics.parquet", *sorted((run / "generations").rglob("*"))]
    return {str(p.relative_to(run)): p.read_bytes() for p in files if p.is_file()}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    serve()
