"""Blocks of rows: they cover all rows once, and no bit of a product depends on their size."""

from __future__ import annotations

import pytest
import torch

from nc_testbed.core.exactness import HEIGHT, one_thread, row_blocks


@pytest.mark.parametrize("rows", [0, 1, 15, 16, 17, 100, 1000])
@pytest.mark.parametrize("most", [1, 16, 100, 5000])
def test_blocks_cover_every_row_once(rows, most):
    found = list(row_blocks(rows, most))
    assert [i for block in found for i in range(rows)[block]] == list(range(rows))
    heights = [block.stop - block.start for block in found]
    assert max(heights, default=0) < max(most, HEIGHT) + HEIGHT
    assert len(found) < 2 or min(heights) >= HEIGHT


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("M", [1, 7, 50, 784])
@pytest.mark.parametrize("F", [2, 64, 400])
def test_no_bit_of_a_product_depends_on_its_blocks(F, M, dtype):
    generator = torch.Generator().manual_seed(F)
    for N in (113, 114, 115, 128):  # 1, 2, 3 and 0 rows are left over
        x = torch.randn(N, F, generator=generator, dtype=dtype)
        y = torch.randn(F, M, generator=generator, dtype=dtype)
        with one_thread():
            whole = x @ y
            for most in (1, 35, 64):
                parts = [x[block] @ y for block in row_blocks(N, most)]
                assert torch.equal(torch.cat(parts), whole)
