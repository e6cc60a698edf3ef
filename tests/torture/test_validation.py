"""Hostile command lines, YAML and files: one line, exit code 2, nothing run and nothing written."""

import gzip
import io
import json
import os
import pickle
import random
import shutil
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save

from nc_testbed.cli import train as cli
from nc_testbed.core.errors import BadInput, printable
from nc_testbed.core.safe_loading import read_yaml
from nc_testbed.data.arrays import Arrays
from nc_testbed.data.downloaded import Emnist, FashionMnist
from nc_testbed.report.command import report

pytestmark = pytest.mark.torture
LONG = os.environ.get("TORTURE") == "long"
ROOT = Path(__file__).parents[2]
SIZE = 500 if LONG else 25
BASE = ["data=digits", "model=gmm", "model.components=3", "model.covariance=diagonal",
        "policy=replace", "chains=2", "generations=3"]  # fmt: skip
KEYS = ["seed", "chains", "generations", "n", "budget", "stream", "device", "sampling",
        "sampling.decode", "sampling.temperature", "evaluation.rows", "compute.chains",
        "compute.memory", "compute.precision", "record", "record.generations", "record.chains",
        "dashboard.single_chains", "sweep", "size", "full", "figure", "extensions", "data",
        "data.rows", "data.test_rows", "data.reserve", "data.imbalance_ratio", "model", "metrics",
        "model.components", "model.floor", "model.tolerance", "model.start", "policy",
        "experiment", "data._target_", "model._target_", "+policy._target_", "+_target_",
        "+sampling._target_", "+metrics.x._target_", "+n._target_", "+data.x.y.z", "~data",
        "~seed", "~sampling.decode", "+name", "+hash", "hydra.run.dir", "hydra.sweep.dir",
        "hydra.sweep.subdir", "hydra.output_subdir", "hydra.searchpath", "hydra.launcher._target_",
        "hydra.sweeper._target_", "+hydra.callbacks.a._target_", "hydra.job.name", "hydra.mode",
        "hydra/launcher", "hydra/sweeper", "hydra/job_logging", "hydra.job_logging.root.level",
        "+hydra.job_logging.handlers.a.class", "hydra.verbose", "policy@policy.inner", "data@x",
        "", "+", "a b", "seed.x", "model.components.x", "s" * 300, "\u202eseed", "é"]  # fmt: skip
VALUES = ["nan", "inf", "-inf", "1e400", "1" + "0" * 30, "9" * 5000, "1" + "0" * 400, "-1", "0",
          "-0.0", "1e-320", "1.5", "true", "null", '""', "ü", "😀", "'😀'", "'\u202egnp'",
          "'a\x1b[31mb'", "a\x00b", "'x\ny'", "x" * 100_000, "'" + "y" * 60_000 + "'", "[1,2]",
          "[]", "{}", "{a:1}", "[[[[1]]]]", "[" * 200 + "]" * 200, "${oc.env:HOME}",
          "${oc.env:NOPE_X}", "${now:}", "${now:%Y}", "${seed}", "${nope}", "${hydra:runtime.cwd}",
          "???", "${oc.decode:'[1,2]'}", "${", "'\\'", "a=b", "(((", "1,2", "range(3)",
          "range(0,1e12)", "interval(0,1)", "glob(*)", "{_target_:os.system}", "os.system",
          "builtins.eval", "nc_testbed.config.build.importlib", "nc_testbed.cli.train.os.system",
          "nc_testbed",
          "nc_testbed.models.gmm.GMM", "../../x", "'..'", "/proc/x", "[os]", "[nope]", "['']",
          "['.a']", "{study:nope}", "{study:../compare}", "\ud800", "' '", "replace", "anchor",
          "digits", "joblib", "MULTIRUN", "recall", "[recall,precison]"]  # fmt: skip

WORDS = ["seed=5", "n=50", "n=[1170,50,60]", "n=2", "budget=20", "evaluation.rows=1000",
         "evaluation.rows=10000000000000", "sampling.temperature=0.5", "compute.precision=bf16",
         "record.generations=[0,2]", "record.generations=[5]", "record.chains=summary",
         "model.components=1000", "model.components=1000000000000", "model.covariance=full",
         "policy=anchor", "policy=anchor +policy.k=3", "policy=accumulate", "policy=collect",
         "stream=true", "sampling.decode=mean", "sampling.draw=statistics", "metrics=[recall]",
         "metrics=[modes]", "metrics=[exact_kl]", "model=vae", "model=kde", "model=gaussian",
         "data=blobs", "data=gaussian", "data=moons", "data.rows=20", "data.projection=3",
         "data.test_rows=1", "data.reserve=0", "data.imbalance_ratio=50", "device=cuda",
         "generations=1",
         "chains=1", "chains=1048576", "compute.chains=1", "compute.memory=20000000",
         "compute.compile=true", "dashboard.single_chains=true", "experiment=tail", "size=full",
         "figure={study:curves,columns:[recall]}", "figure={study:curves,columns:3}",
         "hydra.run.dir=below/here", "hydra.job.chdir=true", "hydra/job_logging=default",
         "policy=weighted", "policy=reparation", "model.start=warm", "model.steps=1",
         "seed=1,2 -m", "policy=replace,anchor -m", "seed=range(3) -m"]  # fmt: skip
"""Words that may be right: alone, or with others."""


def misspelt(key: str, rng: random.Random) -> str:
    i = rng.randrange(len(key) + 1)
    return key[:i] + rng.choice("xyz._@") + key[i + rng.choice((0, 1)) :]


def fuzzed(seed: int) -> list[str]:
    """One command line: a run that is right, and one to three words that may not be."""
    rng = random.Random(seed)
    words = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        key = rng.choice(KEYS)
        key = misspelt(key, rng) if rng.random() < 0.2 else key
        odd = [f"{key}={rng.choice(VALUES)}"]
        words += rng.choice(WORDS).split() if rng.random() < 0.5 else odd
    return [*BASE, *words, *(["-m"] if rng.random() < 0.15 else [])]


class Started(Exception):
    """Everything was found right: the run would start here."""


def told(arguments: list[str], patch, capsys) -> str | None:
    """The one line that a command line is refused with, None where it is right."""

    def start(*_):
        raise Started

    patch.setattr(cli, "_make_run", start)
    patch.setattr(cli, "_make_sweep", start)
    patch.setattr(sys, "argv", ["train.py", *arguments])
    try:
        cli.main()
    except Started:
        return None
    except SystemExit as left:
        code = left.code
    assert code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n") and err[:-1].isprintable() and len(err) < 1500, ascii(err)
    assert err.startswith("nc_testbed: ") and "=" in err and ": " in err[12:]
    return err


def test_fuzzed_command_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    began, refused = time.monotonic(), 0
    for seed in range(SIZE):
        arguments = fuzzed(seed)
        try:
            refused += told(arguments, monkeypatch, capsys) is not None
        except Exception as error:
            raise AssertionError(f"seed {seed}: {ascii(arguments)[:500]}") from error
        assert list(tmp_path.iterdir()) == [], arguments
    assert refused > SIZE // 2
    with capsys.disabled():
        print(f"\n{SIZE}/{SIZE} fuzzed command lines: {refused} refused in one line, the others "
              f"prepared, 0 tracebacks, {time.monotonic() - began:.0f} s")  # fmt: skip


def test_without_its_guard_the_fuzzer_finds_a_traceback(tmp_path, monkeypatch, capsys):
    """The negative control: Hydra's answer to a group that is a number is an exception."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nc_testbed.cli.request.compose_run", lambda *_: {}["metrics"])
    with pytest.raises(KeyError):
        told([*BASE, "metrics=[]"], monkeypatch, capsys)


@pytest.mark.parametrize(
    "word", ["policy=null", "hydra.run.dir=../x", "--experimental-rerun=x"]
)
def test_a_process_of_its_own_says_the_same(word, tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), *BASE, word]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert list(tmp_path.iterdir()) == [] and not (tmp_path.parent / "x").exists()


# User YAML


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n"
    for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)
YAMLS = {
    "deep": (
        "[" * 100_000,
        "nest",
    ),  # libyaml's own limit from 0.2.6 on, met while it looks ahead
    "long": ("x: " + "y" * 2**20, "bytes"),
    "no date": ("seed: 2020-99-99", None),
    "python": ("seed: !!python/object/apply:os.system ['touch executed']", None),
    "two documents": ("a: 1\n---\nb: 2\n", None),
    "cut": ("a: [1, 2", "cannot be read"),
    "no text": (b"\xff\xfe\x00", "cannot be read"),
    "control": (b"a: \x00", "cannot be read"),
}


@pytest.mark.parametrize("name", YAMLS)
def test_hostile_yaml_is_refused_in_one_line(name, tmp_path, monkeypatch, capsys):
    content, why = YAMLS[name]
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    file = tmp_path / "mine" / "experiment" / "bad.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(tmp_path)
    began = time.process_time()  # others may be busy here
    with pytest.raises(BadInput) as caught:
        read_yaml(file, "file")
    assert time.process_time() - began < 0.5
    assert str(caught.value).isprintable()
    line = told(["--config-dir", "mine", *BASE, "experiment=bad"], monkeypatch, capsys)
    assert line is not None and (why is None or why in line), line
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_pipe_among_the_settings_is_not_waited_for(tmp_path, monkeypatch, capsys):
    os.mkfifo(tmp_path / "model.yaml")
    line = told(["--config-dir", str(tmp_path), *BASE], monkeypatch, capsys)
    assert line is not None and "is no file" in line


HYDRA = {
    "callbacks": "hydra: {callbacks: {a: {_target_: os.system, command: touch executed}}}",
    "launcher": "hydra: {launcher: {_target_: os.system}}",
    "sweeper": "hydra: {sweeper: {_target_: evil.Sweeper}}",
    "sampler": "defaults: [{override /hydra/sweeper: optuna}]\n"
    "hydra: {sweeper: {sampler: {_target_: os.system}}}",
    "run": "hydra: {run: {dir: ../x}}",
    "sweep": "hydra: {sweep: {dir: ../x}}",
    "subdir": "hydra: {sweep: {subdir: '../${hydra:job.num}'}}",
    "name": "hydra: {job: {name: ../x}}",
}


@pytest.mark.parametrize("name", HYDRA)
def test_hydras_own_settings_run_nothing_and_write_nowhere_else(
    name, tmp_path, monkeypatch, capsys
):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    text = f"# @package _global_\n{HYDRA[name]}\n"
    (tmp_path / "mine" / "experiment" / "bad.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    line = told(["--config-dir", "mine", *BASE, "experiment=bad"], monkeypatch, capsys)
    assert line is not None and line.startswith("nc_testbed: hydra."), line
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_link_does_not_lead_out_and_an_absolute_path_may(tmp_path, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path / "here")
    line = told([*BASE, "hydra.run.dir=link/x"], monkeypatch, capsys)
    assert line is not None and "leads out" in line
    for right in ("runs/a", f"{tmp_path}/x", "./a/../b"):
        assert told([*BASE, f"hydra.run.dir={right}"], monkeypatch, capsys) is None


def test_an_extension_is_imported_last_and_only_if_all_else_is_right(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "marker_extension.py").write_text("import os\nos.mkdir('executed')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    mine = ["extensions=[marker_extension]", "model._target_=marker_extension.Blob"]
    for wrong in (
        "policy.k=-1",
        "metrics=[modes,nope]",
        "policy=anchor policy.k=-1",
        "chains=0",
    ):
        assert told([*BASE, *mine, *wrong.split()], monkeypatch, capsys) is not None
        assert not (tmp_path / "executed").exists(), wrong
    line = told([*BASE, *mine], monkeypatch, capsys)
    assert line is not None and "cannot be imported" in line
    assert (tmp_path / "executed").exists()


# Artefacts


class Touch:
    """A pickle that makes a folder where it is read."""

    def __reduce__(self):
        return (os.mkdir, (os.environ["NC_TESTBED_MARKER"],))


def npy(shape, descr="<f8", content=b""):
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + content


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def declared(data: bytes, size: int) -> bytes:
    """A zip whose single member says that it unpacks to so many bytes."""
    place = data.index(b"PK\1\2")
    return data[: place + 24] + struct.pack("<I", size) + data[place + 28 :]


GOOD = npy((4, 2), content=bytes(64))
ARRAYS = {
    "x.npy": [
        lambda: npy((10**12, 8)),
        lambda: npy((2**62, 4)),
        lambda: npy((-1, 2)),
        lambda: npy((4, 2), "|O", pickle.dumps(Touch())),
        lambda: pickle.dumps(Touch()),
        lambda: npy((10, 2), content=bytes(64)),
        lambda: npy((2, 2), content=np.full(4, np.nan).tobytes()),
        lambda: b"\x93NUMPY\1\0\xff\xff" + b" " * 100,
        lambda: b"\x93NUMPY\2\0\xff\xff\xff\xff" + b" " * 100,
        lambda: npy((4, 2), "__import__('os').system('x')", bytes(64)),
        lambda: b"",
    ],
    "x.npz": [
        lambda: zipped(("x.npy", GOOD[:-8])),
        lambda: zipped(("x.npy", npy((10**12, 8)))),
        lambda: declared(zipped(("x.npy", npy((2**28, 1)) + bytes(2**20))), 2**31),
        lambda: zipped(("../x.npy", GOOD)),
        lambda: zipped(("/tmp/x.npy", GOOD), ("x.npy", GOOD)),
        lambda: zipped(("x.npy", pickle.dumps(Touch()))),
        lambda: zipped(("x.npy", npy((4, 2), "|O", pickle.dumps(Touch())))),
        lambda: zipped(("x.npy", GOOD), ("y.npy", npy((4,), "|O", pickle.dumps(Touch())))),
        lambda: zipped(("x.npy", GOOD))[:-30],
        lambda: b"PK\3\4" + bytes(50),
    ],
}


def idx(*shape, magic=8, content=b""):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, magic, len(shape), *shape) + content


IDX = {
    "terabytes": idx(2**31, 2**10, 2**10),
    "magic": idx(2, 28, 28, magic=9, content=bytes(1568)),
    "short": idx(2, 28, 28, content=bytes(100)),
    "long": idx(2, 28, 28, content=bytes(2000)),
    "nothing": b"",
    "bomb": gzip.compress(idx(2, 28, 28) + bytes(2**26)),
    "packed terabytes": gzip.compress(idx(2**31, 2**10, 2**10) + bytes(2**20)),
    "no gzip": b"\x1f\x8bnothing",
}


def safetensors(shape, offsets, dtype="F32", size=None, content=b""):
    header = json.dumps({"rows": {"dtype": dtype, "shape": shape, "data_offsets": offsets}})
    return struct.pack("<Q", len(header) if size is None else size) + header.encode() + content


def table(**columns) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


RUN = {
    "config.yaml": [BOMB.encode(), b"[" * 10**5, b"a: 1", b"- 1", b"\xff\xfe", b"",
                    b"!!python/object/apply:os.system ['touch executed']"],
    "metrics.parquet": [b"PAR1PAR1", b"", b"generation,chain\n1,2", b"x" * 2**20,
                        table(generation=["a"], chain=[0], recall=[1.0]), table(a=[1.0]),
                        table(generation=[0, 0], chain=[0, 0], recall=[1.0, 2.0]),
                        table(generation=[0], chain=[0], recall=[b"\x80\x04"])],
    "summary.json": [b"[" * 10**5, b"{}", b"[]", b"\xff", b'{"device": 3}',
                     b'{"device": ' + b"9" * 5000 + b"}"],
    "generations/0001/synthetic.safetensors": [
        struct.pack("<Q", 2**62), struct.pack("<Q", 2**33) + b"{}", b"",
        safetensors([10**12, 20, 64], [0, 10**15], content=bytes(64)),
        safetensors([3, 20, 64], [0, 10**6], content=bytes(64)),
        safetensors([2**62, 4, 1], [0, 16], content=bytes(16)),
        safetensors([3, 20, 64], [-5, 10], content=bytes(64)),
        safetensors([2], [0, 8], content=bytes(8)), pickle.dumps([1]),
        save({"rows": np.zeros(3, np.float32)})],
}  # fmt: skip


def bounded(check, tmp_path, marker) -> str:
    """The one line of a check that must refuse, run nothing and write nothing."""
    before = set(tmp_path.rglob("*"))
    with pytest.raises(BadInput) as caught:
        check()
    assert not marker.exists(), "a file was executed"
    assert set(tmp_path.rglob("*")) == before
    line = str(caught.value)
    assert line.isprintable() and len(line) < 1500
    return line


def hostile() -> list[tuple[str, str, int]]:
    """All hostile files, or every fourth."""
    every = [("arrays", name, i) for name, made in ARRAYS.items() for i in range(len(made))]
    every += [("idx", name, 0) for name in IDX]
    every += [("run", name, i) for name, made in RUN.items() for i in range(len(made))]
    every += [("kind", kind, i) for kind in ("fifo", "folder", "link") for i in range(3)]
    return every if LONG else every[::4]


def check_of(family: str, name: str, i: int, tmp_path: Path, finished: Path):
    """Put one hostile file in its place; returns what a user would call."""
    if family == "arrays":
        (tmp_path / name).write_bytes(ARRAYS[name][i]())
        return lambda: Arrays(path=str(tmp_path / name)).load(2, 0, 0, 1)
    if family == "idx":
        return _idx(tmp_path, IDX[name])
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    places = ["config.yaml", "metrics.parquet", "summary.json"]
    file = run / (name if family == "run" else places[i])
    file.unlink()
    if family == "run":
        file.write_bytes(RUN[name][i])
    elif name == "fifo":
        os.mkfifo(file)
    elif name == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero")
    return lambda: report([tmp_path], tmp_path / "report")


def _idx(tmp_path: Path, content: bytes):
    packed = content[:2] == b"\x1f\x8b"
    folder = tmp_path / ("EMNIST" if packed else "FashionMNIST") / "raw"
    folder.mkdir(parents=True)
    prefix, test = ("emnist-balanced-", "test") if packed else ("", "t10k")
    for part in ("train", test):
        for kind in ("images-idx3", "labels-idx1"):
            name = f"{prefix}{part}-{kind}-ubyte{'.gz' if packed else ''}"
            (folder / name).write_bytes(content)
    source = Emnist if packed else FashionMnist
    return lambda: source(root=str(tmp_path)).load(2, 0, 0, 1)


def peak(reset: bool = False) -> int:
    """Most memory that this process has held, KiB; counted from now on after a reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_hostile_artefacts(tmp_path, monkeypatch, capsys):
    sys.path.append(str(ROOT / "tests" / "run"))
    import fabricated

    marker = tmp_path / "executed"
    monkeypatch.setenv("NC_TESTBED_MARKER", str(marker))
    fabricated.run(tmp_path / "good", fabricated.config())
    report([tmp_path / "good"], tmp_path / "first")  # the run itself is read
    cases, before = hostile(), peak(reset=True)
    for n, (family, name, i) in enumerate(cases):
        folder = tmp_path / str(n)
        folder.mkdir()
        monkeypatch.chdir(folder)
        check = check_of(family, name, i, folder, tmp_path / "good")
        began = time.monotonic()
        try:
            bounded(check, folder, marker)
        except BaseException as error:
            raise AssertionError(f"{family} {name} {i}") from error
        assert time.monotonic() - began < 5, (family, name, i)
    grown = (peak() - before) / 1024
    assert grown < 512, f"{grown} MiB"
    with capsys.disabled():
        print(f"\n{len(cases)}/{len(cases)} hostile files refused in one line, 0 executed, "
              f"0 written outside, {grown:.0f} MiB more memory")  # fmt: skip


def test_the_marker_is_left_where_a_pickle_is_read(tmp_path, monkeypatch):
    """The negative control of the files above: unpickled, they would leave their mark."""
    monkeypatch.setenv("NC_TESTBED_MARKER", str(tmp_path / "executed"))
    payload = npy((), "|O", pickle.dumps(Touch()))
    np.load(io.BytesIO(payload), allow_pickle=True)
    assert (tmp_path / "executed").exists()


def test_a_complaint_is_one_line_whatever_it_is_about():
    rng = random.Random(0)
    for _ in range(1000):
        text = "".join(chr(rng.choice((rng.randrange(0x20), rng.randrange(0x11000), 0x202E)))
                       for _ in range(rng.randrange(400)))  # fmt: skip
        assert str(BadInput(text, text, text)).isprintable()
    assert printable(16**5000, 100) == "a number of 20001 bits"
