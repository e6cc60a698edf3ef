import pytest
import torch

from nc_testbed.core.rng import RandomStreams
from nc_testbed.core.space import Space
from nc_testbed.core.training_set import TrainingSet
from nc_testbed.loop.archive import Archive, thin

SPACE = Space((2,), image=False)
R, N, M = 3, 6, 4


def archive(window: int, shared: bool = True) -> Archive:
    """Real row a of chain r is (a, r or 0); synthetic row i of generation g is (100 g + i, r)."""
    chains = torch.zeros(1) if shared else torch.arange(R)
    rows = torch.arange(N).double()
    real = torch.stack([torch.stack([rows, torch.full((N,), float(c))], 1) for c in chains])
    training = torch.arange(4).expand(R, -1)
    return Archive(SPACE, real, training, torch.tensor([[4, 5]]).expand(R, -1), M, window)


def synthetic(g: int) -> torch.Tensor:
    i = (100 * g + torch.arange(M)).double().expand(R, -1)
    chain = torch.arange(R).double()[:, None].expand(-1, M)
    return torch.stack([i, chain], 2)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("window", [1, 2, 5])
def test_a_view_equals_a_copy(window, shared):
    store = archive(window, shared)
    for g in range(5):
        store.add(synthetic(g))
        kept = range(max(0, g + 1 - window), g + 1)
        rows = torch.cat([store.training, *(store.addresses(h) for h in kept)], 1)
        real = store.real.expand(R, -1, -1)[:, :4]
        copy = torch.cat([real, *(synthetic(h) for h in kept)], 1)
        view = store.view(rows)
        assert torch.equal(view.all(), copy)
        origin = torch.tensor([0] * 4 + [h + 1 for h in kept for _ in range(M)])
        assert torch.equal(view.origin(), origin.expand(R, -1))
        part = view.part(slice(1, 3))
        assert torch.equal(part.all(), copy[1:3])


def test_a_batch_is_gathered_per_chain():
    store = archive(1)
    store.add(synthetic(0))
    view = store.view(store.training, store.latest(M))
    index = torch.tensor([[0, 7], [4, 4], [6, 1]])
    expected = torch.stack([view.all()[r, index[r]] for r in range(R)])
    assert torch.equal(view.gather(index), expected)


@pytest.mark.parametrize("window", [1, 2, 3])
def test_sets_of_several_sizes_keep_their_rows_and_origins(window):
    store = archive(window)
    for g, size in enumerate([4, 2, 3, 1]):
        store.add(synthetic(g)[:, :size])
        assert store.size == size
        latest = store.view(store.latest(size))
        assert torch.equal(latest.all(), synthetic(g)[:, :size])
        assert (latest.origin() == g + 1).all()
        if g + 1 <= window:
            view = store.view(store.everything(None, RandomStreams(0, (0, 1, 2), g)))
            copy = [synthetic(h)[:, :m] for h, m in zip(range(g + 1), [4, 2, 3], strict=False)]
            assert torch.equal(view.all()[:, 4:], torch.cat(copy, 1))


def test_fewer_rows_of_a_set_are_its_first():
    store = archive(1)
    store.add(synthetic(0))
    assert torch.equal(store.view(store.latest(2)).all(), synthetic(0)[:, :2])
    assert store.view(store.latest(0), store.original()).size == 4


def test_a_generation_out_of_the_window_has_no_address():
    store = archive(1)
    store.add(synthetic(0))
    store.add(synthetic(1))
    with pytest.raises(IndexError):
        store.addresses(0)
    with pytest.raises(IndexError):
        store.addresses(2)


def test_a_training_set_shares_the_archives_memory():
    store = archive(2)
    store.add(synthetic(0))
    view: TrainingSet = store.view(store.latest(M))
    assert view.synthetic.data_ptr() == store.synthetic.data_ptr()
    assert view.real.data_ptr() == store.real.data_ptr()


def test_thinning_is_uniform_without_replacement():
    rows = torch.arange(10).expand(400, -1)
    kept = thin(rows, 3, RandomStreams(0, tuple(range(400)))("budget"))
    assert kept.shape == (400, 3)
    assert all(len(set(row.tolist())) == 3 for row in kept)
    counts = torch.bincount(kept.flatten(), minlength=10).double()  # expected 120 each
    assert ((counts - 120).abs() <= 4 * (120 * 0.7) ** 0.5).all()
    assert thin(rows, None, RandomStreams(0, (0,))("budget")) is rows
    assert thin(rows, 10, RandomStreams(0, (0,))("budget")) is rows
