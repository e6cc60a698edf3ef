import struct

import numpy as np
import pytest

from nc_testbed.data.idx import parse_idx

IMAGE = struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 2, 3) + bytes(range(12))


def test_an_idx_file_is_read_in_its_shape():
    assert np.array_equal(parse_idx(IMAGE, 3), np.arange(12).reshape(2, 2, 3))


@pytest.mark.parametrize(
    ("data", "dimensions"),
    [(IMAGE, 1), (IMAGE[:-1], 3), (IMAGE + b"\0", 3), (b"", 3), (b"\0\0\x0d\3" + IMAGE[4:], 3)],
)
def test_another_length_or_type_is_refused(data, dimensions):
    with pytest.raises(ValueError, match="idx file"):
        parse_idx(data, dimensions)
