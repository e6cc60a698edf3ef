"""Every yaml of the group names a class and all of its settings."""

import dataclasses
import importlib
from pathlib import Path

import pytest
import yaml

from nc_testbed.data import source as contract

FILES = sorted(Path(__file__).parents[2].glob("conf/data/*.yaml"))
NOT_SHIPPED = {"fashion_mnist", "kmnist", "emnist", "cifar10", "arrays"}
OTHER_DEFAULT = {
    ("mnist_lt", "imbalance_ratio"): 10,
    ("mnist_lt", "rows"): 2500,
    ("mnist_lt", "test_rows"): 400,
    ("mnist_lt", "binarize"): True,
    ("mnist", "binarize"): True,
}


def test_files_were_found():
    assert len(FILES) == 21


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_yaml_gives_every_setting_its_default(file):
    text = file.read_text()
    settings = yaml.safe_load(text)
    module, _, name = settings.pop("_target_").rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    for key, default in defaults.items():
        assert settings[key] == OTHER_DEFAULT.get((file.stem, key), default)
    assert set(settings) == set(defaults)
    assert text.startswith("# ")
    assert all("#" in line for line in text.splitlines()[2:])


@pytest.mark.parametrize(
    "file", [f for f in FILES if f.stem not in NOT_SHIPPED], ids=lambda file: file.stem
)
def test_every_shipped_source_keeps_the_contract(file):
    settings = yaml.safe_load(file.read_text())
    module, _, name = settings.pop("_target_").rpartition(".")
    data = getattr(importlib.import_module(module), name)(**settings).load(3, 0, 2, 3)
    assert isinstance(data, contract.Data)
    S, N, D = data.x.shape
    assert S in (1, 3)
    assert data.space.size == D
    assert data.x.dtype == data.space.dtype
    assert data.held_out.shape[1] == D
    assert data.held_out.dtype == data.space.dtype
    assert data.training.shape[0] == data.reserve.shape[0] == 3
    assert data.reserve.shape[1] >= 4
    for chain in range(3):
        used = data.training[chain].tolist() + data.reserve[chain].tolist()
        assert len(set(used)) == len(used)
        assert min(used) >= 0
        assert max(used) < N
    if data.y is not None:
        assert data.rank is not None
        assert data.shares is not None
        assert data.y.shape == (S, N)
        assert len(data.classes) == data.shares.shape[1]
        assert (data.rank.sort(1).values == data.rank[0].sort().values).all()
