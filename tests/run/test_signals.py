"""Signals, one at a time, in this process."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nc_testbed.core.interfaces import no_progress
from nc_testbed.run.signals import Signals, Stopped

CODES = {"SIGTERM": 143, "SIGUSR1": 85, "SIGUSR2": 85, "SIGINT": 130}


def send(name: str) -> None:
    signal.raise_signal(getattr(signal, name))


@pytest.mark.parametrize("name", CODES)
def test_the_first_signal_ends_the_run_where_it_tells_of_progress(name, capfd):
    left, before = [], signal.getsignal(getattr(signal, name))

    def run():
        with Signals(left.append) as signals:
            progress = signals.watch(lambda done, total: None)
            progress(1, 2)
            send(name)
            assert left == []
            progress(2, 2)
            left.append("went on")

    with pytest.raises(Stopped) as stopped:
        run()
    assert stopped.value.code == CODES[name] and left == [name]
    assert signal.getsignal(getattr(signal, name)) is before
    assert capfd.readouterr().err.startswith(f"nc_testbed: {name}, leaving")


def test_no_thread_stays_behind():
    before = threading.active_count()
    for _ in range(20):
        with Signals(lambda name: None):
            assert threading.active_count() == before + 1
        assert threading.active_count() == before


def test_without_a_signal_nothing_happens():
    left = []
    with Signals(left.append) as signals:
        signals.check()
    assert left == []


def test_a_signal_after_the_last_generation_still_stops_a_sweep():
    with pytest.raises(Stopped), Signals(lambda name: None):
        send("SIGTERM")


def test_an_error_is_not_hidden_by_a_signal():
    def run():
        with Signals(lambda name: None):
            send("SIGTERM")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()


def test_workers_stop_too():
    def fit(step):
        step(1, 2)

    fits = []

    def run():
        with Signals(lambda name: None) as signals, ThreadPoolExecutor(2) as pool:
            send("SIGUSR1")
            fits.extend(pool.submit(fit, signals.watch(no_progress)) for _ in range(2))

    with pytest.raises(Stopped):
        run()
    assert [getattr(f.exception(), "code", None) for f in fits] == [85, 85]


def test_elsewhere_than_on_the_main_thread_nothing_is_touched():
    before, now = signal.getsignal(signal.SIGTERM), []

    def work():
        with Signals(lambda name: None):
            now.append(signal.getsignal(signal.SIGTERM))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert now == [before]


def test_whoever_requeues_is_called_when_the_run_has_left():
    """As submitit, which handles SIGUSR1 or SIGUSR2 and turns a SIGTERM down."""
    said = []

    def requeue(number, _):
        said.append("requeued")
        sys.exit(-1)

    def bypass(number, _):
        said.append("bypassed")

    def run():
        with Signals(said.append) as signals:
            send("SIGTERM")
            signals.check()
            send("SIGUSR2")
            signals.check()

    before = [signal.signal(signal.SIGUSR2, requeue), signal.signal(signal.SIGTERM, bypass)]
    try:
        with pytest.raises(SystemExit) as left:
            run()
        assert (left.value.code, said) == (-1, ["bypassed", "SIGUSR2", "requeued"])
        assert signal.getsignal(signal.SIGUSR2) is requeue
    finally:
        signal.signal(signal.SIGUSR2, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals(lambda name: None) as signals:
            send("SIGINT")
            signals.check()
    finally:
        signal.signal(signal.SIGINT, before)


BUSY = """
import signal, sys, time
from nc_testbed.run.signals import Signals
with Signals(lambda name: print("left by", name, flush=True), patience=0.5) as signals:
    {body}
"""


def busy(body: str, *sent: int) -> tuple[int, str, float]:
    """Exit status, output and seconds of a process that gets these signals while it is busy."""
    command = [sys.executable, "-c", BUSY.format(body=body)]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout.readline() == "busy\n"
    began = time.monotonic()
    for number in sent:
        os.kill(child.pid, number)
        time.sleep(0.1)
    out, _ = child.communicate(timeout=20)
    return child.returncode, out, time.monotonic() - began


def test_a_phase_without_progress_is_left_after_a_while():
    status, out, seconds = busy("print('busy', flush=True); time.sleep(30)", signal.SIGTERM)
    assert (status, out) == (143, "left by SIGTERM\n") and 0.5 < seconds < 5


def test_what_is_being_written_is_finished_first():
    body = (
        "print('busy', flush=True)\n    with signals.writing:\n        time.sleep(1.5)\n"
        "        print('written', flush=True)\n    time.sleep(30)"
    )
    status, out, _ = busy(body, signal.SIGTERM)
    assert (status, out) == (143, "written\nleft by SIGTERM\n")


COMMITTING = """
import os, signal, sys, time
from nc_testbed import cli
from nc_testbed.record import directory
from nc_testbed.run import signals
put, run, within = directory._put, sys.argv[1], float(sys.argv[2])
signals.Signals.__init__.__defaults__ = (within,)
if within > 60:
    signals.Signals.watch = lambda self, progress: progress
def slow(path, data):
    if "0001.tmp" in str(path):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.6)
    put(path, data)
directory._put, sys.argv = slow, ["train.py", "data=gaussian", "model=gaussian", "policy=replace",
    "n=50", "chains=20", "generations=4", "device=cpu", "hydra.run.dir=" + run]
cli.main()
"""


@pytest.mark.parametrize("within", ["0.3", "600"])
def test_a_generation_that_is_being_committed_is_finished_first(within, tmp_path):
    """Though its writing takes longer than a run may take to leave; and a model that tells of no
    progress does not begin another."""
    command = [sys.executable, "-c", COMMITTING, str(tmp_path / "run"), within]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 143, done.stderr
    there = sorted(p.name for p in (tmp_path / "run" / "generations").iterdir())
    assert there == ["0000", "0001"]


def test_ctrl_c_twice_leaves_at_once():
    body = "print('busy', flush=True); time.sleep(30)"
    status, out, seconds = busy(body, signal.SIGINT, signal.SIGINT)
    assert (status, out) == (130, "") and seconds < 0.5
