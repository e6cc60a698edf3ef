"""No bit depends on the size of a block, on the place in memory or on the other chains."""

from __future__ import annotations

import pytest
import torch

from nc_testbed.core.exactness import (
    HEIGHT,
    VECTOR,
    copy_aligned,
    hypot,
    invert_triangle,
    one_thread,
    pad_chains,
    product,
    row_blocks,
    sigmoid,
    softplus,
)

CPU = torch.device("cpu")


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


def _normals(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "function", [softplus, sigmoid, lambda x: hypot(x.abs(), (x + 1).abs())]
)
def test_functions_round_alike_at_every_place_in_memory(function, dtype):
    x = 5 * _normals(1000, dtype=dtype)
    values = function(x)
    for start in range(1, 17):
        assert torch.equal(function(x[start:]), values[start:])
        assert torch.equal(function(x[:start]), values[:start])


@pytest.mark.parametrize("sizes", [(1, 3, 1), (3, 3, 3), (5, 2, 7), (13, 13, 1)])
def test_a_chain_has_the_same_product_and_inverse_alone(sizes):
    P, Q, S = sizes
    a = _normals(9, P, Q)
    b = _normals(9, Q, S)
    triangles = _normals(9, Q, Q).tril() + 5 * torch.eye(Q)
    with one_thread():
        products = product(a, b)
        inverses = invert_triangle(triangles)
        torch.testing.assert_close(products, a @ b)
        torch.testing.assert_close(inverses, triangles.inverse())
        for r in range(9):
            chain = slice(r, r + 1)
            assert torch.equal(product(a[chain], b[chain]), products[chain])
            assert torch.equal(invert_triangle(triangles[chain]), inverses[chain])


def test_padded_chains_fill_whole_vectors_and_a_copy_begins_at_one():
    weight = _normals(3, 5, 7, dtype=torch.float32)
    wide = pad_chains(weight)
    assert wide[0].nbytes % VECTOR == 0
    assert torch.equal(wide[..., :7], weight)
    assert not wide[..., 7:].any()
    copy = copy_aligned(weight.flatten()[1:], CPU)
    assert copy.data_ptr() % VECTOR == 0
    assert torch.equal(copy, weight.flatten()[1:])
