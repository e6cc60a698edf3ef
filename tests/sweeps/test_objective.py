"""The number that a search makes small, from what a finished run has written."""

import json

import pytest

from nc_testbed.config.config_file import text
from nc_testbed.core.errors import BadInput
from nc_testbed.sweeps.objective import Objective

CONFIG = {"policy": {"k": 7}, "facts": {"n": [50, 80]}, "hash": "0"}


@pytest.fixture
def run(tmp_path):
    ends = {"tail_coverage": {"last": {"mean": 0.6}}, "kid": {"last": {"mean": None}}}
    (tmp_path / "summary.json").write_text(json.dumps({"metrics": ends, "last": 4}))
    (tmp_path / "config.yaml").write_bytes(text(CONFIG))
    return tmp_path


@pytest.mark.parametrize(
    ("objective", "value"),
    [
        (Objective("tail_coverage"), 0.6),
        (Objective("tail_coverage", "policy.k", 0.6), 7.0),
        (Objective("tail_coverage", "policy.k", 0.5), 7.0),
        (
            Objective("tail_coverage", "policy.k", 0.8),
            80.2,
        ),  # 80 rows and what it falls short of
    ],
)
def test_the_number_of_a_run(objective, value, run):
    objective.check(CONFIG)
    assert objective.value(CONFIG, run) == pytest.approx(value)


@pytest.mark.parametrize(
    ("metric", "why"),
    [("kid", "undefined in every chain"), ("tail_recal", "did you mean tail_")],
)
def test_a_run_without_the_metric_has_none(metric, why, run):
    with pytest.raises(BadInput, match=f"^objective.metric={metric}: {why}"):
        Objective(metric).value(CONFIG, run)
