import io
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from fabricated import config, run
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams import metadata

from nc_testbed.data.source import Data, Law
from nc_testbed.intervals import interval
from nc_testbed.run.dashboard import Dashboard, group_name, layout, rebuild
from nc_testbed.run.laws import Law as ExactLaw
from nc_testbed.run.pictures import grid, scatter
from nc_testbed.run.tables import summary_rows
from nc_testbed.types import Generation, Space


def events(directory) -> EventAccumulator:
    return EventAccumulator(str(directory), {"scalars": 0, "images": 0, "tensors": 0}).Reload()


def series(found: EventAccumulator, tag: str) -> dict[int, float]:
    return {event.step: event.value for event in found.Scalars(tag)}


def record(chains: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)
    names = ("recall", "tail_recall", "precision", "frechet")
    return {name: torch.from_numpy(rng.random(chains)) for name in names}


def measured(g: int, values=None, pictures=None, rows=None) -> Generation:
    return Generation(g, {}, record() if values is None else values, rows, pictures)


@pytest.fixture
def planar() -> Data:
    angle = torch.arange(8) * torch.pi / 4
    centres = torch.stack([angle.cos(), angle.sin()], -1).double() * 2
    none = torch.zeros(1, 0, dtype=torch.int64)
    law = Law(lambda n, streams, purpose: (centres, None), centres=centres, scale=0.05)
    return Data("ring", Space((2,), False), centres[None], none, none, centres, law=law)


def test_the_step_is_the_generation_and_the_values_are_the_interval(tmp_path):
    board = Dashboard(tmp_path, config())
    for g in range(3):
        board.generation(measured(g, record(seed=g)))
    board.close()
    found = events(tmp_path)
    for g in range(3):
        expected = interval(record(seed=g)["tail_recall"].numpy())
        assert series(found, "1 tail/tail_recall")[g] == pytest.approx(float(expected.mean))
        for end in ("mean", "low", "high"):
            value = series(found, f"intervals/tail_recall/{end}")[g]
            assert value == pytest.approx(float(getattr(expected, end)))
    assert not any(tag.startswith("chains") for tag in found.Tags()["scalars"])


def test_single_chains_on_demand(tmp_path):
    board = Dashboard(tmp_path, config(dashboard={"single_chains": True}))
    board.generation(measured(0))
    board.close()
    found, values = events(tmp_path), record()["precision"]
    for chain in range(3):
        only = series(found, f"chains/precision/{chain:02d}")
        assert only == {0: pytest.approx(float(values[chain]))}


def test_undefined_chains_are_counted_and_never_drawn(tmp_path):
    nan = float("nan")
    board = Dashboard(tmp_path, config(dashboard={"single_chains": True}))
    for g, values in enumerate(([0.1, 0.2, nan], [0.1, nan, nan], [nan, nan, nan])):
        board.generation(measured(g, {"kid": torch.tensor(values)}))
    board.close()
    found = events(tmp_path)
    assert series(found, "chains without a value/kid") == {0: 1.0, 1: 2.0, 2: 3.0}
    assert list(series(found, "2 quality/kid")) == [0, 1]
    for end in ("mean", "low", "high"):  # the three ends of a band need the same steps
        assert list(series(found, f"intervals/kid/{end}")) == [0]
    values = [event.value for tag in found.Tags()["scalars"] for event in found.Scalars(tag)]
    assert np.isfinite(values).all()


def drawn_layout(found: EventAccumulator) -> Layout:
    proto = Layout()
    proto.ParseFromString(found.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    return proto


def test_every_chart_of_the_layout_has_its_data_and_the_first_stand_side_by_side(tmp_path):
    board = Dashboard(tmp_path, config())
    board.generation(measured(0))
    board.close()
    found = events(tmp_path)
    proto = drawn_layout(found)
    titles = [category.title for category in proto.category]
    assert titles == sorted(titles)
    assert titles[0] == "0 read together"
    together = [chart.title for chart in proto.category[0].chart]
    assert together[::-1] == ["tail_recall", "precision", "frechet"]  # bands are drawn reversed
    series_of = [s for c in proto.category for chart in c.chart for s in chart.margin.series]
    assert len(series_of) == 3 + 4
    for band in series_of:
        assert {band.value, band.lower, band.upper} <= set(found.Tags()["scalars"])


def test_one_chain_is_drawn_as_a_line():
    together = layout(["precision", "tail_recall"], several=False).category[0]
    assert together.title == "0 read together"
    assert [(chart.title, list(chart.multiline.tag)) for chart in together.chart] == [
        ("tail_recall", ["1 tail/tail_recall"]),
        ("precision", ["2 quality/precision"]),
    ]
    with_law = layout(["precision"], several=False, laws=["precision"]).category[0].chart[0]
    assert list(with_law.multiline.tag) == ["2 quality/precision", "laws/precision"]


def test_a_law_is_drawn_over_its_curve(tmp_path):
    falling = ExactLaw("some.law (A1)", "derived", np.array([0.5, 0.4, 0.3]))
    board = Dashboard(tmp_path, config(), laws={"recall": falling})
    values = {"recall": torch.tensor([0.1, 0.2, 0.3, 0.4]), "precision": torch.ones(4)}
    for g in (0, 2):
        board.generation(measured(g, values))
    board.close()
    found = events(tmp_path)
    assert series(found, "laws/recall") == {0: 0.5, 2: pytest.approx(0.3)}
    z = (0.25 - 0.5) / (np.std([0.1, 0.2, 0.3, 0.4], ddof=1) / 2)
    assert series(found, "z against the law/recall")[0] == pytest.approx(z)
    charts = {c.title: c for group in drawn_layout(found).category for c in group.chart}
    assert [s.value for s in charts["recall"].margin.series] == [
        "intervals/recall/mean",
        "laws/recall",
    ]
    assert len(charts["precision"].margin.series) == 1


def test_a_run_of_summaries_is_drawn_like_one_of_chains(tmp_path):
    folder = tmp_path / "run"
    rebuild(folder, config(), summary_rows(measured(3))).close()
    found = events(folder / "tensorboard")
    for name, values in record().items():
        ci = interval(values.numpy())
        assert series(found, f"intervals/{name}/low") == {3: pytest.approx(float(ci.low))}


def test_a_continued_run_has_every_step_once(tmp_path):
    for start, end in ((0, 4), (2, 6)):
        board = Dashboard(tmp_path, config(), start=start)
        for g in range(start, end):
            pictures = torch.zeros(3, 4, 64, dtype=torch.uint8)
            board.generation(measured(g, record(seed=10 * start + g), pictures))
        board.close()
        time.sleep(1.1)  # files are read in the order of their names, which hold seconds
    found = events(tmp_path)
    steps = [event.step for event in found.Scalars("1 tail/tail_recall")]
    assert steps == [0, 1, 2, 3, 4, 5]
    again = float(record(seed=23)["tail_recall"].mean())
    assert series(found, "1 tail/tail_recall")[3] == pytest.approx(again)
    assert [event.step for event in found.Images("samples/chain 0")] == [0, 1, 2, 3, 4, 5]


def test_hyperparameters_make_no_second_run_and_share_a_group_over_seeds(tmp_path):
    groups = []
    for seed in (1, 2):
        settings = config(seed=seed, policy={"_target_": "a.B", "k": 5})
        board = Dashboard(tmp_path / str(seed), settings)
        board.generation(measured(0))
        board.close()
        tags = events(tmp_path / str(seed)).SummaryMetadata
        start = tags(metadata.SESSION_START_INFO_TAG).plugin_data.content
        info = metadata.parse_session_start_info_plugin_data(start)
        values = {key: value.WhichOneof("kind") for key, value in info.hparams.items()}
        assert info.hparams["seed"].number_value == seed
        assert info.hparams["policy.k"].number_value == 5
        assert info.hparams["policy"].string_value == "replace"
        assert info.hparams["model.widths"].string_value == "[400, 20]"
        assert not {"hash", "facts.event", "record.chains", "metrics"} & set(values)
        assert tags(metadata.SESSION_END_INFO_TAG).plugin_data.content
        groups.append(info.group_name)
    assert groups[0] == groups[1] == group_name(settings)
    assert group_name(settings) != group_name(config(policy={"k": 6}))
    assert set(EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Runs()) == {"1", "2"}


def test_the_resolved_config_is_there_as_text(tmp_path):
    Dashboard(tmp_path, config()).close()
    text = events(tmp_path).Tensors("config/text_summary")[0].tensor_proto.string_val[0]
    assert yaml.safe_load(text.decode()) == config()


def test_rebuilt_from_the_record_alone(tmp_path):
    folder = run(tmp_path / "run", config())
    for _ in range(2):  # and again, in place of the first
        rebuild(folder, config(), pq.read_table(folder / "metrics.parquet")).close()
    files = list((folder / "tensorboard").iterdir())
    found = events(folder / "tensorboard")
    assert len(files) == 1
    assert list(series(found, "1 tail/tail_recall")) == [0, 1, 2, 3]
    for chain in range(3):
        pictures = found.Images(f"samples/chain {chain}")
        assert [event.step for event in pictures] == [0, 1, 2, 3]
        pixels = np.asarray(Image.open(io.BytesIO(pictures[2].encoded_image_string)))
        assert pixels[0, 0].tolist() == [20, 20, 20]


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


def test_planar_samples_are_drawn_over_the_true_modes(tmp_path, planar):
    blue, orange = np.array([0, 114, 178]), np.array([213, 94, 0])
    picture = scatter(planar.held_out[:1] + 0.3, planar)
    there = [(np.abs(picture.astype(int) - colour).max(-1) < 60) for colour in (blue, orange)]
    columns = np.nonzero(there[0])[1]
    assert columns.min() > 0.7 * picture.shape[1]  # the one sample sits beside the rightmost mode
    assert np.ptp(np.nonzero(there[1])[1]) > 0.5 * picture.shape[1]  # the modes form a ring
    board = Dashboard(tmp_path, config(), planar)
    board.generation(measured(0, rows=planar.held_out.expand(2, -1, -1)))
    board.close()
    tags = events(tmp_path).Tags()["images"]
    assert tags == ["samples/chain 0", "samples/chain 1"]


def test_rows_that_are_no_picture_are_not_drawn(tmp_path, planar):
    table = Data("table", Space((2, 1), False), *[planar.held_out] * 4)
    board = Dashboard(tmp_path, config(), table)
    rows = torch.zeros(3, 4, 2, dtype=torch.float64)
    board.generation(measured(0, None, rows, rows))
    board.close()
    assert events(tmp_path).Tags()["images"] == []
