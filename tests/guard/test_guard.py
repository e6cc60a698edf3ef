"""No change of the house changes a number: see guard.py beside this file."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import guard


@pytest.mark.numbers
def test_every_number_is_as_it_was():
    kept = json.loads(guard.KEPT.read_text())
    now = guard.measured()
    exact = kept["machine"] == now["machine"]
    assert not guard.differences(kept["runs"], now["runs"], exact)


@pytest.mark.parametrize("exact", [True, False])
def test_a_difference_is_noticed(exact):
    kept = json.loads(guard.KEPT.read_text())["runs"]
    assert not guard.differences(kept, kept, exact)
    name = sorted(kept)[0]
    changed = dict(kept)
    changed[name] = {**kept[name], "metrics/recall": ["0", 100.0]}
    assert len(guard.differences(kept, changed, exact)) == 1
    del changed[name]
    assert guard.differences(kept, changed, exact) == [f"{name}: only before"]


def test_every_model_policy_and_metric_is_run():
    words = str(guard.CONFIGURATIONS)
    for group, prefix in (("model", "model="), ("policy", "")):
        for file in (guard.ROOT / "conf" / group).glob("*.yaml"):
            assert f"{prefix}{file.stem}" in words, file
    kept = json.loads(guard.KEPT.read_text())["runs"]
    columns = {what for run in kept.values() for what in run if what.startswith("metrics/")}
    expected = (
        "recall_rank_0 vendi kid exact_kl modes_captured sliced_w2 neg_iwae_head latent_spread "
        "heterozygosity log_spread tv frechet precision density coverage"
    )
    for name in expected.split():
        assert any(column.startswith(f"metrics/{name}") for column in columns), name
