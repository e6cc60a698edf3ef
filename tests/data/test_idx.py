import struct

import numpy as np
import pytest

from nc_testbed.data.idx import LIMIT, parse_idx, read_idx

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


class Endless:
    """Unpacks for ever behind its header, and knows how much it was asked for."""

    def __init__(self, *shape: int):
        self._header, self.asked = (
            struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape),
            0,
        )

    def read(self, size: int, /) -> bytes:
        self.asked += size
        head, self._header = self._header[:size], self._header[size:]
        return head + bytes(size - len(head))


def test_a_stream_is_read_no_further_than_its_header_says_and_not_at_all_for_terabytes():
    small, large = Endless(2, 3), Endless(2**20, 2**20)
    assert read_idx(small, 2) == bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(7)
    with pytest.raises(ValueError, match=f"the limit is {LIMIT}"):
        read_idx(large, 2)
    assert large.asked == 12
