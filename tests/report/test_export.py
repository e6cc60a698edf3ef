"""The script that writes runs as one table: its files, and what it refuses."""

import csv
import sys

import pyarrow.parquet as pq
import pytest
from fabricated import config, run

from nc_testbed.cli import export


@pytest.fixture
def sweep(tmp_path):
    for k in (1, 10):
        run(tmp_path / "sweep" / str(k), config("anchor", policy={"k": k}))
    return tmp_path / "sweep"


def exported(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["export.py", *map(str, words)])
    export.main()


def test_both_kinds_of_file_hold_the_same_table(sweep, tmp_path, monkeypatch, capsys):
    (sweep / "unfinished").mkdir()
    (sweep / "unfinished" / "config.yaml").write_text("")
    for name in ("a.parquet", "a.csv"):
        exported(monkeypatch, sweep, f"out={tmp_path / name}")
        said = f"{tmp_path / name}: 2 runs, 144 rows, 12 columns; 1 unfinished left out\n"
        assert capsys.readouterr().out == said
    table = pq.read_table(tmp_path / "a.parquet")
    with open(tmp_path / "a.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == table.column_names
    assert [float(line["value"]) for line in lines] == table["value"].to_pylist()
    assert [int(line["policy.k"]) for line in lines] == table["policy.k"].to_pylist()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["SWEEP", "out=TMP/table.xls"], "out=TMP/table.xls: name a file that ends in"),
        (["SWEEP", "out=TMP/no/a.csv"], "out=TMP/no/a.csv: TMP/no is not there"),
        (["SWEEP", "out=../../../a.csv"], "out=../../..: leads out of the working"),
        (["SWEEP", f"out=TMP/{'a' * 300}.csv"], f"out=TMP/{'a' * 99}"),
        (["SWEEP", "out=TMP/folder.csv"], "out=TMP/folder.csv: cannot be written"),
        (["SWEEP"], "out=.: name a file that ends in .parquet or .csv"),
        (["TMP/nowhere", "out=TMP/a.csv"], "runs=TMP/nowhere: no finished run is there"),
        (["TMP/damaged", "out=TMP/a.csv"], "runs=TMP/damaged/1/metrics.parquet: is not a"),
    ],
)
def test_a_wrong_word_ends_in_one_line_and_leaves_nothing(
    words, said, sweep, tmp_path, monkeypatch, capsys
):
    for k in (0, 1):
        run(tmp_path / "damaged" / str(k), config())
    (tmp_path / "damaged" / "1" / "metrics.parquet").write_bytes(b"PAR1")
    (tmp_path / "folder.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    places = {"SWEEP": str(sweep), "TMP": str(tmp_path)}

    def placed(text):
        for word, place in places.items():
            text = text.replace(word, place)
        return text

    with pytest.raises(SystemExit, match="2"):
        exported(monkeypatch, *map(placed, words))
    found = capsys.readouterr()
    assert found.out == "" and len(found.err.splitlines()) == 1
    assert found.err.startswith(f"nc_testbed: {placed(said)}"), found.err
    assert sorted(tmp_path.rglob("*")) == before
