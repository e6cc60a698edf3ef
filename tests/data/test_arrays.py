import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.core.space import Space
from nc_testbed.data.arrays import Arrays
from nc_testbed.data.representation import in_units_of_source

rng = np.random.default_rng(0)


def saved(folder: Path, **members) -> str:
    path = folder / "mine.npz"
    np.savez(path, **members)
    return str(path)


def test_labelled_vectors_keep_their_class_names(tmp_path):
    x = rng.normal(size=(40, 3)).astype(np.float32)
    y = np.tile([7, -2], 20).astype(np.int16)
    data = Arrays(path=saved(tmp_path, x=x, y=y), imbalance_ratio=2).load(2, 0, 0, 1)
    assert data.classes == ("-2", "7")
    assert data.name == "mine"
    assert data.space == Space((3,), image=False)
    assert data.x.dtype == torch.float64
    assert data.held_out_y is not None
    held_out = in_units_of_source(data.held_out.numpy(), data.record)
    for row, label in zip(held_out, data.held_out_y.tolist(), strict=True):
        original = np.flatnonzero(np.isclose(x, row, rtol=1e-6).all(1))
        assert y[original].tolist() == [(-2, 7)[label]]


def test_npy_holds_unlabelled_rows_in_any_order_of_memory(tmp_path):
    x = np.asfortranarray(rng.normal(size=(30, 2)).astype(">f8"))
    np.save(tmp_path / "x.npy", x)
    rows = Arrays(path=str(tmp_path / "x.npy")).read()
    assert rows.y is None
    assert np.array_equal(rows.x, x)
    assert rows.x.flags.c_contiguous


@pytest.mark.parametrize(
    ("shape", "event", "first"),
    [
        ((20, 4, 5), (4, 5), None),
        ((20, 3, 4, 5), (3, 4, 5), None),
        ((20, 4, 5, 3), (3, 4, 5), 3),
        ((20, 1, 4, 5), (4, 5), None),
        ((20, 4, 5, 1), (4, 5), 3),
    ],
)
def test_images_become_channel_first(tmp_path, shape, event, first):
    x = rng.integers(0, 256, shape).astype(np.uint8)
    rows = Arrays(path=saved(tmp_path, x=x)).read()
    assert rows.space == Space(event, image=True)
    expected = x if first is None else np.moveaxis(x, first, 1)
    assert np.array_equal(rows.x, expected.reshape(20, -1))


def bad(**members):
    return lambda folder: saved(folder, **members)


def written(name, content):
    def make(folder):
        (folder / name).write_bytes(content)
        return str(folder / name)

    return make


def header(shape, descr="<f8", version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text


def npz(*members):
    def make(folder):
        with zipfile.ZipFile(folder / "hostile.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)
        return str(folder / "hostile.npz")

    return make


def truncated(folder):
    path = Path(saved(folder, x=np.ones((50, 3))))
    path.write_bytes(path.read_bytes()[:-200])
    return str(path)


def flipped(folder):
    path = Path(saved(folder, x=np.ones((50, 3))))
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    path.write_bytes(content)
    return str(path)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


X = np.ones((10, 3))
GOOD = header((4, 2)) + bytes(64)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda folder: None, "give the .npz"),
        (lambda folder: "/nowhere/mine.npz", "no such file"),
        (lambda folder: "~nobody/" + "x" * 5000, "no such file"),
        (str, "no such file"),  # a folder
        (written("x.csv", b"1,2"), "must end in"),
        (written("x.npy", b""), "not a readable"),
        (written("x.npy", b"\x93NUMPY\1\0\xff\xff"), "not a readable"),
        (written("x.npy", header((4, 2))), "truncated"),
        (written("x.npy", header((10**9, 8)) + bytes(64)), "GiB"),
        (written("x.npy", header((10**30, 8)) + bytes(64)), "GiB"),
        (written("x.npy", header((-4, 2)) + bytes(64)), "empty"),
        (written("x.npy", header((4, 2), version=9) + bytes(64)), "npy version"),
        (written("x.npy", header((4, 2), descr="|O") + pickle.dumps(Bomb())), "Python objects"),
        (written("x.npy", header((4, 2), descr="__import__") + bytes(64)), "not a readable"),
        (written("x.npz", b"no zip"), "not a readable"),
        (truncated, "not a readable"),
        (flipped, "not a readable"),
        (npz(), "holds nothing"),
        (npz(("x.npy", GOOD), ("y.npy", pickle.dumps(Bomb()))), "not a readable"),
        (npz(("../x.npy", GOOD)), "not x and"),
        (npz(("x.npy", header((2**28, 4)) + bytes(64))), "GiB"),
        (bad(y=np.arange(3)), "not x and"),
        (bad(x=X, labels=np.arange(10)), "not x and"),
        (bad(x=np.array([[Bomb()] * 2] * 10)), "Python objects"),
        (bad(x=np.ones(10)), "images are uint8"),
        (bad(x=np.ones((10, 3), np.uint8)), "images are uint8"),
        (bad(x=np.ones((10, 3), np.int64)), "vectors are floats"),
        (bad(x=np.ones((10, 3), np.complex64)), "vectors are floats"),
        (bad(x=np.ones((10, 4, 4))), "images are uint8"),
        (bad(x=np.ones((10, 2, 4, 4), np.uint8)), "images are uint8"),
        (bad(x=np.ones((0, 3))), "empty"),
        (bad(x=np.ones((10, 0))), "empty"),
        (bad(x=np.where(np.eye(10, 3) > 0, np.nan, X)), "infinity in 3 rows"),
        (bad(x=X * np.inf), "infinity in 10 rows"),
        (bad(x=X, y=np.arange(9)), "one label per row"),
        (bad(x=X, y=np.ones((10, 1), int)), "one label per row"),
        (bad(x=X, y=np.ones(10)), "whole numbers"),
        (bad(x=X, y=np.ones(10, bool)), "whole numbers"),
        (bad(x=X, y=np.array(list("abcdefghij"))), "whole numbers"),
    ],
)
def test_bad_files_end_in_one_line(tmp_path, make, why):
    with pytest.raises(BadInput, match=why) as caught:
        Arrays(path=make(tmp_path)).read()
    assert caught.value.key == "path"
    assert "\n" not in str(caught.value)


def test_common_settings_are_checked_too(tmp_path):
    with pytest.raises(BadInput, match="reserve"):
        Arrays(path=saved(tmp_path, x=X), reserve=2)


def test_numbers_whose_differences_are_none_are_refused(tmp_path):
    x = rng.uniform(-1, 1, (40, 3)) * [1, 1e308, 1]
    with pytest.raises(BadInput, match="above 1e\\+300 in 1 columns"):
        Arrays(path=saved(tmp_path, x=x)).load(1, 0, 0, 1)
    data = Arrays(path=saved(tmp_path, x=x / 1e10)).load(1, 0, 0, 1)
    assert (data.x.abs() < 10).all()
