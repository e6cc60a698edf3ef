import gzip
import shutil

import numpy as np
import pytest
import torch

from nc_testbed.core.errors import BadInput
from nc_testbed.data.mnist import FILES, MD5, Mnist, read_mnist


def test_both_files_are_one_pool():
    data = Mnist(imbalance_ratio=10).load(10, 0, 0, 8)
    assert data.x.shape == (1, 60004, 784)
    assert data.x.dtype == torch.uint8
    assert data.y is not None
    assert data.held_out_y is not None
    assert data.rank is not None
    assert torch.bincount(data.y[0]).tolist() == [
        5917, 6752, 5992, 6121, 5850, 5412, 5894, 6252, 5850, 5964,
    ]  # fmt: skip
    assert torch.bincount(data.held_out_y).tolist() == [901] * 10
    assert sorted(data.rank[:, 7].tolist()) == list(range(10))
    counts = torch.bincount(data.y[0][data.training[3]])[data.rank[3].argsort()]
    assert counts[0] == 5412 - 1082
    assert counts[9] == (5412 - 1082) // 10


def test_every_part_has_rows_of_both_files():
    """Of the test file's writers too: a seventh of each part, by the hypergeometric law."""
    *_, test_x, _ = read_mnist(FILES)
    later = {row.tobytes() for row in test_x}
    data = Mnist().load(1, 0, 0, 1)
    x = data.x[0].numpy()
    parts = (data.held_out.numpy(), x[data.reserve[0]], x[data.referee_rows])
    for part in parts:
        share = sum(row.tobytes() in later for row in part) / len(part)
        assert abs(share - 1 / 7) < 4 * (1 / 7 * 6 / 7 / len(part)) ** 0.5


def test_the_referee_learns_from_neither_the_reserve_nor_what_is_held_out():
    data = Mnist(imbalance_ratio=10).load(10, 0, 0, 8)
    assert not torch.isin(data.reserve, data.referee_rows).any()
    assert torch.isin(data.training, data.referee_rows).all()


def test_pictures_and_digits_belong_together():
    data = Mnist().load(1, 0, 0, 1)
    assert data.y is not None
    assert data.held_out_y is not None
    means = torch.stack([data.x[0][data.y[0] == c].float().mean(0) for c in range(10)])
    nearest = torch.cdist(data.held_out.float(), means).argmin(1)
    assert (nearest == data.held_out_y).float().mean() > 0.8  # nearest mean: 82% is published


def copy(folder):
    return shutil.copytree(FILES, folder / "mnist_files")


def test_one_changed_pixel_is_refused(tmp_path):
    folder = copy(tmp_path)
    path = folder / "t10k-images-idx3-ubyte.gz"
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[5000] ^= 1
    path.write_bytes(gzip.compress(bytes(raw), 1))
    with pytest.raises(BadInput, match="install nc_testbed again") as caught:
        read_mnist(folder)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spoil", ["truncate", "remove", "flip"])
def test_a_broken_or_missing_archive_is_refused(tmp_path, spoil):
    folder = copy(tmp_path)
    path = folder / "train-labels-idx1-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content if spoil == "flip" else path.read_bytes()[:9000])
    if spoil == "remove":
        path.unlink()
    with pytest.raises(BadInput, match="missing or damaged") as caught:
        read_mnist(folder)
    assert "\n" not in str(caught.value)


def test_shipped_notice_names_every_checksum_and_the_licence():
    notice = (FILES / "README.md").read_text()
    assert all(f"{md5}  {name}" in notice for name, md5 in MD5.items())
    assert "CC BY-SA 3.0" in notice
    assert "Christopher J.C. Burges" in notice


def test_the_cached_rows_cannot_be_written_to():
    x = read_mnist(FILES)[0]
    with pytest.raises(ValueError, match="read-only"):
        x[0, 0] = 1
    assert x.dtype == np.uint8
