"""What junk is made of: real pixels, of two classes where it says so, and as drawn."""

from __future__ import annotations

import pytest
import torch

from nc_testbed.core.rng import RandomStreams
from nc_testbed.metrics.junk import IMAGE_JUNK, Images, unions, white_noise


def images(event: tuple[int, ...], binary: bool, purpose: str = "junk") -> Images:
    """Forty images of four classes, a class's own tone in grey ones."""
    y = torch.arange(40) % 4
    x = RandomStreams(0, (0,))("x").uniform(40, *event)[0]
    x = (x < 0.3).float() if binary else x
    return Images(x, y, RandomStreams(0, (0,))(purpose))


@pytest.mark.parametrize("name", IMAGE_JUNK)
@pytest.mark.parametrize("event", [(1, 28, 28), (3, 9, 7), (1, 1, 1), (1, 2, 30)])
@pytest.mark.parametrize("binary", [True, False])
def test_junk_is_of_the_same_kind_as_the_rows(name, event, binary):
    junk = IMAGE_JUNK[name](images(event, binary))
    assert junk.shape == (40, *event)
    assert ((junk >= 0) & (junk <= 1)).all()
    if binary:
        assert ((junk == 0) | (junk == 1)).all()
    assert torch.equal(junk, IMAGE_JUNK[name](images(event, binary)))
    if event == (1, 28, 28) and name != "one_tone":
        assert not torch.equal(junk, images(event, binary).x)


def test_partners_are_of_another_class():
    real = images((1, 4, 4), binary=True)
    marked = Images(real.y.float()[:, None, None, None].expand(-1, 1, 4, 4), real.y, real.draws)
    for _ in range(20):
        assert (marked.others()[:, 0, 0, 0] != real.y).all()


def test_partners_are_of_another_class_however_unequal_the_classes_are():
    y = torch.tensor([0] * 35 + [1] * 5)
    marked = y.float()[:, None, None, None].expand(-1, 1, 4, 4)
    real = Images(marked, y, RandomStreams(0, (0,))("partners"))
    assert (real.others()[:, 0, 0, 0] != y).all()
    one = Images(marked[:35], y[:35], RandomStreams(0, (0,))("partners"))
    assert one.others().shape == (35, 1, 4, 4)


def test_independent_pixels_keep_every_marginal():
    real = images((1, 5, 5), binary=False)
    junk = IMAGE_JUNK["independent_pixels"](real)
    assert torch.equal(junk.sort(0).values, real.x.sort(0).values)
    assert not torch.equal(junk, real.x)


def test_noise_has_the_share_that_is_asked_for():
    white = white_noise(images((1, 28, 28), binary=True), 0.15)
    assert abs(white.mean() - 0.15) < 0.01


def test_a_union_holds_the_image():
    real = images((1, 28, 28), binary=True)
    assert (unions(real) >= real.x).all()
