"""Samples as strips and as an animation, and the plane of tail against overall."""

import io
import shutil

import numpy as np
import pytest
import torch
from fabricated import config, run
from made import arm, comparison
from PIL import Image
from safetensors.torch import save_file

from nc_testbed.core.errors import BadInput
from nc_testbed.report.arm import read_arms
from nc_testbed.report.figures import animation
from nc_testbed.report.figures.sample_grid import arms_with_rows, draw_strips, limits
from nc_testbed.report.figures.tradeoff import trade
from nc_testbed.report.picture import figure_bytes


@pytest.fixture
def images(tmp_path):
    for policy in ("replace", "accumulate"):
        run(tmp_path / policy, config(policy))
    return read_arms([tmp_path])


def planar(path, spread=1.0):
    """A run on the plane whose chain 0 shrinks towards the origin."""
    folder = run(path, config(facts={"event": [2]}))
    for g in range(4):
        rows = torch.randn(
            3, 50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(g)
        )
        scale = spread / (1 + g)
        file = folder / "generations" / f"{g:04d}" / "synthetic.safetensors"
        save_file({"rows": rows * scale}, file)
    return folder


def pixels(figure):
    with Image.open(io.BytesIO(figure_bytes(figure))) as image:
        return np.asarray(image.convert("L"))


def test_strips_show_a_row_per_arm_and_a_column_per_generation(images):
    figure = draw_strips(arms_with_rows(images), 3)
    assert len(figure.axes) == 2 * 4
    assert {0, 10, 20, 30} <= set(np.unique(pixels(figure)))  # generation g's samples are 10 g
    earlier = draw_strips(images, 1)
    assert [axes.get_title() for axes in earlier.axes[:2]] == ["generation 0", "generation 1"]


def test_the_plane_is_drawn_over_the_first_generation_within_its_axes(tmp_path):
    planar(tmp_path / "run")
    arms = arms_with_rows(read_arms([tmp_path]))
    last = draw_strips(arms, 3).axes[-1]
    grey, blue = (line.get_xydata() for line in last.get_lines())
    assert np.abs(grey).max() > 2 * np.abs(blue).max()
    low, high = limits(arms)
    assert (grey >= low.numpy()).all() and (grey <= high.numpy()).all()
    assert last.get_xlim() == pytest.approx((float(low[0]), float(high[0])))


def test_vectors_and_runs_without_rows_are_not_pictured(tmp_path):
    run(tmp_path / "vectors", config(facts={"event": [64]}))
    bare = run(tmp_path / "bare", config(seed=1))
    shutil.rmtree(bare / "generations")
    assert (
        arms_with_rows([a for f in ("vectors", "bare") for a in read_arms([tmp_path / f])])
        == []
    )


def test_what_was_not_kept_is_left_blank(images):
    (images[0].folders[0] / "generations" / "0001" / "synthetic.safetensors").unlink()
    figure = draw_strips(images, 3)
    assert [bool(axes.get_images()) for axes in figure.axes] == [True, False] + [True] * 6


def test_rows_of_another_shape_are_refused(images):
    file = images[0].folders[0] / "generations" / "0002" / "synthetic.safetensors"
    save_file({"rows": torch.zeros(3, 20, 63, dtype=torch.uint8)}, file)
    with pytest.raises(BadInput, match=r"does not hold rows of \(8, 8\)"):
        draw_strips(images, 3)


@pytest.mark.parametrize("plane", [False, True])
def test_the_animation_has_a_frame_per_generation_side_by_side(plane, tmp_path):
    planar(tmp_path / "run") if plane else run(tmp_path / "run", config())
    arms = arms_with_rows(read_arms([tmp_path]) * 2)
    with Image.open(io.BytesIO(animation.animation(arms, 3))) as gif:
        assert gif.n_frames == 4
        assert gif.info["loop"] == 0
        frames = []
        for g in range(4):
            gif.seek(g)
            frames.append(np.asarray(gif.convert("L")))
            assert gif.info["duration"] == (2000 if g == 3 else 700)
    left, right = (np.split(frame, 2, axis=1) for frame in (frames[0], frames[3]))
    assert frames[0][1, 1] == 255  # paper stays white
    for side in (0, 1):
        below = slice(60, None)  # the titles are above
        assert (left[side][below] != right[side][below]).any()


def test_frames_are_left_out_until_the_file_is_small(images, monkeypatch):
    whole = animation.animation(images, 3)
    monkeypatch.setattr(animation, "BYTES", len(whole) - 1)
    small = animation.animation(images, 3)
    assert len(small) < len(whole)
    with Image.open(io.BytesIO(small)) as gif:
        assert gif.n_frames == 2


def test_a_way_through_the_plane_of_tail_and_overall():
    one = arm(
        "replace", {"tail_coverage": [[0.4, 0.2, 0.1]] * 2, "fidelity": [[0.8, 0.85, 0.9]] * 2}
    )
    (axes,) = trade(comparison(one), "fidelity").axes
    way = axes.get_lines()[0]
    np.testing.assert_allclose(way.get_xydata(), [[0.8, 0.4], [0.85, 0.2], [0.9, 0.1]])
    assert not axes.xaxis_inverted()
    loss = arm("replace", {"tail_coverage": [[0.4, 0.2]] * 2, "frechet": [[1.0, 2.0]] * 2})
    (axes,) = trade(comparison(loss), "frechet").axes
    assert axes.xaxis_inverted()
    assert "less is better" in axes.get_xlabel()


def test_the_same_figure_is_the_same_file(images):
    first, again = (figure_bytes(draw_strips(images, 3), "svg") for _ in range(2))
    assert first == again
