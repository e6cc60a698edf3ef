import gzip
import hashlib
import pickle
import struct
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from torchvision import datasets

from nc_testbed.config.build import build
from nc_testbed.core.errors import BadInput
from nc_testbed.core.space import Space
from nc_testbed.data.downloaded import Cifar10, Emnist, FashionMnist, Kmnist

rng = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    )


def written(folder, prefix, parts=("train", "t10k"), labels=range(10)):
    """A small set in MNIST's format: 20 training and 5 test rows a class."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {}
    for part, each in zip(parts, (20, 5), strict=True):
        y = np.repeat(np.array(labels, dtype=np.uint8), each)
        x = rng.integers(0, 256, (len(y), 28, 28)).astype(np.uint8)
        content |= {part: (x, y)}
        (folder / f"{prefix}{part}-images-idx3-ubyte").write_bytes(idx(x))
        (folder / f"{prefix}{part}-labels-idx1-ubyte").write_bytes(idx(y))
    return content


@pytest.mark.parametrize(
    ("source", "name"), [(FashionMnist, "FashionMNIST"), (Kmnist, "KMNIST")]
)
def test_sets_like_mnist_are_found_on_disk(tmp_path, source, name):
    content = written(tmp_path / name / "raw", "")
    rows: Any = source(root=str(tmp_path)).read()
    x, y = content["train"]
    test_x, test_y = content["t10k"]
    assert np.array_equal(rows.x, np.concatenate([x, test_x]).reshape(250, 784))
    assert np.array_equal(rows.y, np.concatenate([y, test_y]))
    assert rows.test_share == 0.2
    assert rows.space == Space((28, 28), image=True)
    assert len(rows.classes) == 10
    assert len(rows.record["files_sha256"]) == 4
    data = source(root=str(tmp_path), imbalance_ratio=4).load(2, 0, 0, 1)
    assert data.held_out.shape == (50, 784)


def test_emnist_letters_are_upright_and_named(tmp_path):
    content = written(
        tmp_path / "EMNIST/raw", "emnist-letters-", ("train", "test"), range(1, 27)
    )
    rows: Any = Emnist(split="letters", root=str(tmp_path)).read()
    x, y = content["train"]
    assert np.array_equal(rows.x[: len(x)].reshape(-1, 28, 28), x.transpose(0, 2, 1))
    both = np.concatenate([y, content["test"][1]])
    assert np.array_equal(rows.y, both.astype(int) - 1)
    assert rows.classes == tuple("abcdefghijklmnopqrstuvwxyz")


def test_a_gzipped_file_is_held_against_its_md5(tmp_path, monkeypatch):
    folder = tmp_path / "KMNIST/raw"
    written(folder, "")
    plain = folder / "train-labels-idx1-ubyte"
    packed = gzip.compress(plain.read_bytes())
    plain.unlink()
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(packed)
    with pytest.raises(BadInput, match="is damaged"):
        Kmnist(root=str(tmp_path)).read()
    md5 = hashlib.md5(packed).hexdigest()
    monkeypatch.setattr(datasets.KMNIST, "resources", [("train-labels-idx1-ubyte.gz", md5)])
    assert Kmnist(root=str(tmp_path)).read().y is not None


def batches(folder, monkeypatch):
    folder = folder / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    labels = list(range(10)) * 3
    content, sums = {}, {}
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        content[name] = rng.integers(0, 256, (30, 3072)).astype(np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": content[name], "labels": labels}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    for path in folder.iterdir():
        sums[path.name] = hashlib.md5(path.read_bytes()).hexdigest()
    for group in ("train_list", "test_list"):
        known = getattr(datasets.CIFAR10, group)
        monkeypatch.setattr(datasets.CIFAR10, group, [[name, sums[name]] for name, _ in known])
    meta = datasets.CIFAR10.meta | {"md5": sums["batches.meta"]}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    return folder, content


@pytest.mark.filterwarnings("ignore")  # numpy's own, about pickles of arrays
def test_cifar10_is_channel_first_and_verified(tmp_path, monkeypatch):
    folder, content = batches(tmp_path, monkeypatch)
    rows: Any = Cifar10(root=str(tmp_path)).read()
    assert np.array_equal(rows.x[:30], content["data_batch_1"])
    assert np.array_equal(rows.x[-len(content["test_batch"]) :], content["test_batch"])
    assert rows.space == Space((3, 32, 32), image=True)
    assert rows.classes == tuple("abcdefghij")
    (folder / "data_batch_3").write_bytes(b"evil")
    with pytest.raises(BadInput, match="is damaged") as caught:
        Cifar10(root=str(tmp_path)).read()
    assert "\n" not in str(caught.value)


SOURCES = [FashionMnist, Kmnist, Emnist, Cifar10]


@pytest.mark.parametrize("source", SOURCES)
def test_missing_files_give_one_line_and_leave_nothing_behind(tmp_path, source):
    with pytest.raises(BadInput) as caught:
        source(root=str(tmp_path / "none")).read()
    line = str(caught.value)
    assert caught.value.key == "root"
    assert "\n" not in line
    assert str(tmp_path) in line
    assert "looked for" in line
    assert "data.download=true" in line
    assert "put the set's files" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source", SOURCES)
def test_a_failed_download_gives_one_line_and_leaves_nothing_behind(
    tmp_path, source, monkeypatch
):
    def offline(*args, **kwargs):
        raise URLError("[Errno -2]\nName or service not known")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(BadInput) as caught:
        source(root=str(tmp_path / "none"), download=True).read()
    line = str(caught.value)
    assert caught.value.key == "download"
    assert "\n" not in line
    assert str(tmp_path) in line
    assert "put the set's files" in line
    assert not list(tmp_path.iterdir())


def test_a_download_lands_in_the_root(tmp_path, monkeypatch):
    def download(self):
        from pathlib import Path

        written(Path(self.raw_folder), "")

    monkeypatch.setattr(datasets.FashionMNIST, "download", download)
    root = tmp_path / "new"
    rows = FashionMnist(root=str(root), download=True).read()
    assert len(rows.x) == 250
    assert (root / "FashionMNIST/raw").is_dir()


@pytest.mark.parametrize("spoil", ["cut", "unequal", "label"])
def test_damaged_plain_files_are_refused(tmp_path, spoil):
    folder = tmp_path / "KMNIST/raw"
    written(folder, "")
    if spoil == "cut":
        path = folder / "train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:-1])
    labels = np.full(50 if spoil == "label" else 49, 77 if spoil == "label" else 1, np.uint8)
    if spoil != "cut":
        (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))
    with pytest.raises(BadInput, match="damaged"):
        Kmnist(root=str(tmp_path)).read()


@pytest.mark.parametrize(
    ("source", "settings", "key"),
    [
        (Emnist, {"split": "capitals"}, "split"),
        (Kmnist, {"root": None}, "root"),
        (FashionMnist, {"download": "maybe"}, "download"),
        (Cifar10, {"reserve": 1}, "reserve"),
    ],
)
def test_bad_settings(source, settings, key):
    with pytest.raises(BadInput) as caught:
        build(source, settings)
    assert caught.value.key == key
