"""The tidy table: a row per run, generation, chain and metric, whatever was run."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from fabricated import config, run

from nc_testbed.core.errors import BadInput
from nc_testbed.core.interfaces import Generation
from nc_testbed.record.tables import summary_rows
from nc_testbed.report import tidy
from nc_testbed.report.arm import labels
from nc_testbed.report.tidy import sheet

FIRST, LAST = ["run", "policy", "data", "model", "seed"], [
    "generation", "chain", "metric", "statistic", "value", "law",
]  # fmt: skip


def rows(made, **wanted):
    """The rows of a table with these values."""
    return [r for r in made.read().to_pylist() if all(r[k] == v for k, v in wanted.items())]


def test_every_number_of_every_run_is_there_once(tmp_path):
    for seed in (1, 2):
        run(tmp_path / str(seed), config(seed=seed))
    made = sheet([tmp_path])
    assert made.schema.names == [*FIRST, *LAST]
    assert made.read().num_rows == 2 * 6 * 4 * 3
    for seed in (1, 2):
        for row in pq.read_table(tmp_path / str(seed) / "metrics.parquet").to_pylist():
            at = {"generation": row.pop("generation"), "chain": row.pop("chain"), "seed": seed}
            for name, value in row.items():
                (found,) = rows(made, **at, metric=name)
                assert (found["value"], found["statistic"]) == (value, "value")


def test_settings_that_differ_are_columns_of_one_type(tmp_path):
    run(tmp_path / "a", config("anchor", policy={"k": 1, "share": None, "source": "pool"}))
    run(
        tmp_path / "b",
        config("anchor", policy={"k": 9, "share": 0.5, "source": "pool"}, n=[3, 4]),
    )
    run(tmp_path / "c", config("replace", data={"imbalance": 50.0, "binarize": True}))
    made = sheet([tmp_path])
    kinds = {f.name: str(f.type) for f in made.schema if f.name not in (*FIRST, *LAST)}
    assert kinds == {
        "data.binarize": "bool", "n": "string", "policy.k": "int64", "policy.share": "double",
        "policy.source": "string",
    }  # fmt: skip
    found = {(r["policy.k"], r["n"], r["policy.source"]) for r in made.read().to_pylist()}
    assert found == {(1, "20", "pool"), (9, "[3, 4]", "pool"), (None, "20", None)}


def test_runs_are_named_from_where_the_given_directories_part(tmp_path):
    for name in ("x/sweep/0", "y/sweep/0"):
        run(tmp_path / name, config())
    assert sheet([tmp_path / "x" / "sweep"]).names == ("sweep/0",)
    both = sheet([tmp_path / "x" / "sweep", tmp_path / "y" / "sweep"])
    assert both.names == ("x/sweep/0", "y/sweep/0")
    assert len(sheet([tmp_path / "x", tmp_path / "x" / "sweep"]).folders) == 1


def test_a_law_stands_beside_every_chain_it_is_about(tmp_path):
    file = run(tmp_path / "a", config()) / "summary.json"
    law = {"law": "a", "source": "b", "generations": [2], "values": [0.25]}
    law |= {"z": [None], "verdict": "pass"}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"laws": {"nll": law}}))
    made = sheet([tmp_path])
    assert [r["law"] for r in rows(made, metric="nll", generation=2)] == [0.25] * 3
    assert {r["law"] for r in rows(made, metric="nll", generation=1)} == {None}
    assert {r["law"] for r in rows(made, metric="coverage")} == {None}


def test_summaries_are_rows_without_a_chain(tmp_path):
    x = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    folder = run(tmp_path / "a", config())
    law = {"law": "a", "source": "b", "generations": [0], "values": [2.5]}
    law |= {"z": [None], "verdict": "pass"}
    file = folder / "summary.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"laws": {"nll": law}}))
    pq.write_table(summary_rows(Generation(0, {}, {"nll": x})), folder / "metrics.parquet")
    run(tmp_path / "b", config("anchor"))
    found = rows(sheet([tmp_path]), policy="replace")
    assert {r["chain"] for r in found} == {None}
    said = {r["statistic"]: (r["value"], r["law"]) for r in found}
    assert (said["mean"], said["q50"]) == ((3.0, 2.5), (2.0, None))
    assert said["chains"] == (3.0, None)


def test_long_runs_are_made_in_parts_that_are_the_whole(tmp_path, monkeypatch):
    run(tmp_path / "a", config())
    whole = sheet([tmp_path]).read()
    monkeypatch.setattr(tidy, "ROWS", 24)
    parts = list(sheet([tmp_path]).tables())
    assert len(parts) == 3
    assert pa.concat_tables(parts).equals(whole)


def test_what_is_undefined_stays_and_is_no_missing_law(tmp_path):
    folder = run(tmp_path / "a", config())
    table = pq.read_table(folder / "metrics.parquet")
    at = table.column_names.index("nll")
    table = table.set_column(at, "nll", [np.full(table.num_rows, np.nan)])
    pq.write_table(table, folder / "metrics.parquet")
    values = [r["value"] for r in rows(sheet([tmp_path]), metric="nll")]
    assert len(values) == 12 and all(np.isnan(values))


@pytest.mark.parametrize(
    "table",
    [
        {"generation": [0, 0], "chain": [0, 0], "x": [1.0, 2.0]},
        {"generation": [0], "chain": [0], "x": ["a"]},
        {"generation": [*range(99)], "chain": [*range(99)], "x": [0.0] * 99},
        {"generation": [*range(99)], "metric": [*map(str, range(99))], "mean": [0.0] * 99},
        {"generation": [0], "x": [1.0]},
        {"generation": [0], "chain": [0]},
    ],
)
def test_tables_that_no_run_writes_are_refused(table, tmp_path):
    folder = run(tmp_path / "a", config())
    pq.write_table(pa.table(table), folder / "metrics.parquet")
    with pytest.raises(BadInput, match=r"runs=.*metrics\.parquet: "):
        sheet([tmp_path]).read()


def test_settings_of_any_kind_are_written_or_refused(tmp_path):
    folder = run(tmp_path / "a", config(budget=2**70, policy={"k": [1, {"a": None}]}))
    run(tmp_path / "b", config())
    assert {r["budget"] for r in rows(sheet([tmp_path]), metric="nll")} == {None, 2.0**70}
    names = "name: {policy: a, data: b, model: c}, data: {1: 2}, model: {}, policy: {}"
    (folder / "config.yaml").write_text(
        f"{{{names}, seed: 0, facts: {{event: [2], columns: {{}}}}}}"
    )
    with pytest.raises(BadInput, match=r"config\.yaml: is not a run's settings"):
        sheet([tmp_path])


def test_policies_within_policies_tell_runs_apart():
    """As ``policy=weighted policy@policy.inner=replace`` and ``=augment`` do."""
    inner = {
        name: {"_target_": "a.Weighted", "inner": {"_target_": f"a.{name}"}} for name in "BC"
    }
    found = labels([config("anchor", policy=policy) for policy in inner.values()])
    assert found == ["anchor inner=B", "anchor inner=C"]
