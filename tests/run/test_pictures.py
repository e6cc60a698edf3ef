"""Pictures of samples: what is drawn is where it belongs."""

import numpy as np
import pytest
import torch

from nc_testbed.core.space import Space
from nc_testbed.view.pictures import density, grid, scatter


def test_a_grid_shows_every_image_where_it_belongs():
    rows = torch.arange(5, dtype=torch.uint8).repeat_interleave(4).reshape(5, 4) * 10
    picture = grid(rows, Space((2, 2), image=True), columns=3)
    factor = picture.shape[1] // 8  # three images of 2, two lines of 1
    assert picture.shape == (5 * factor, 8 * factor, 3)
    small = picture[::factor, ::factor, 0]
    assert small[0].tolist() == [0, 0, 128, 10, 10, 128, 20, 20]
    assert small[3].tolist() == [30, 30, 128, 40, 40, 128, 128, 128]
    assert (small[2] == 128).all()


def test_a_grid_keeps_colours():
    rows = torch.tensor([[200, 100, 50]], dtype=torch.uint8)
    assert grid(rows, Space((3, 1, 1), image=True), columns=1)[0, 0].tolist() == [200, 100, 50]


def test_planar_samples_are_drawn_over_the_true_modes(planar):
    blue, orange = np.array([0, 114, 178]), np.array([213, 94, 0])
    picture = scatter(planar.held_out[:1] + 0.3, planar)
    there = [(np.abs(picture.astype(int) - colour).max(-1) < 60) for colour in (blue, orange)]
    columns = np.nonzero(there[0])[1]
    assert (
        columns.min() > 0.7 * picture.shape[1]
    )  # the one sample sits beside the rightmost mode
    assert np.ptp(np.nonzero(there[1])[1]) > 0.5 * picture.shape[1]  # the modes form a ring


def painted(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(picture.astype(int) - np.array(colour)).max(-1) < 30


def test_a_density_fills_where_samples_are_and_lines_stay_around_real_rows(planar):
    darkest, orange = (0, 114, 178), (213, 94, 0)
    every = planar.held_out.repeat(50, 1)
    whole, single = (density(x[None], [0], planar) for x in (every, every[:1].repeat(400, 1)))
    rows, columns = np.nonzero(painted(single, darkest))
    assert columns.min() > 0.7 * single.shape[1] and np.ptp(rows) < 0.1 * single.shape[0]
    assert np.ptp(np.nonzero(painted(whole, darkest))[1]) > 0.5 * whole.shape[1]
    for picture in (whole, single):
        assert np.ptp(np.nonzero(painted(picture, orange))[1]) > 0.5 * picture.shape[1]


@pytest.mark.parametrize("at", [1e9, float("nan"), float("inf")])
def test_a_density_of_rows_that_lie_nowhere_near_is_empty(planar, at):
    picture = density(torch.full((1, 30, 2), at).double(), [0], planar)
    assert not painted(picture, (0, 114, 178)).any() and painted(picture, (213, 94, 0)).any()
