"""The view of a run as events: every number of it, once."""

import io
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from events import FACTS, events, measured, rare, record, series
from fabricated import config, run
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams import metadata

from nc_testbed.core.intervals import interval
from nc_testbed.core.space import Space
from nc_testbed.data.source import Data
from nc_testbed.record.alarms import alarms
from nc_testbed.record.tables import Trajectories, chain_rows, summary_rows
from nc_testbed.view.hparams import group_name
from nc_testbed.view.tensorboard import PICTURES, Dashboard, rebuild


def test_the_step_is_the_generation_and_the_values_are_the_interval(tmp_path):
    board = Dashboard(tmp_path, config())
    for g in range(3):
        board.generation(measured(g, record(seed=g)))
    board.close()
    found = events(tmp_path)
    for g in range(3):
        expected = interval(record(seed=g)["tail_coverage"].numpy(), 0, 2)
        assert expected.low >= 0
        assert series(found, "1 tail/tail_coverage")[g] == pytest.approx(float(expected.mean))
        for end in ("mean", "low", "high"):
            value = series(found, f"intervals/tail_coverage/{end}")[g]
            assert value == pytest.approx(float(getattr(expected, end)))
    assert not any(tag.startswith("chains") for tag in found.Tags()["scalars"])


def test_single_chains_on_demand(tmp_path):
    board = Dashboard(tmp_path, config(dashboard={"single_chains": True}))
    board.generation(measured(0))
    board.close()
    found, values = events(tmp_path), record()["fidelity"]
    for chain in range(3):
        only = series(found, f"chains/fidelity/{chain:02d}")
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


def alarm_texts(found: EventAccumulator) -> dict[int, str]:
    texts = found.Tensors("alarms/text_summary")
    return {event.step: event.tensor_proto.string_val[0].decode() for event in texts}


def test_alarms_are_steps_and_texts_and_those_of_the_summary(tmp_path):
    settings = config(facts=FACTS)
    board = Dashboard(tmp_path / "live", settings)
    for g, values in enumerate(rare(dies=2)):
        board.generation(measured(g, values))
    board.close()
    found = events(tmp_path / "live")
    third = pytest.approx(1 / 3)
    for on in ("accepted rows", "matched rows"):
        assert series(found, f"alarms/{on}") == {0: 0.0, 1: 0.0, 2: third, 3: third}
    texts = alarm_texts(found)
    assert list(texts) == [2, 3]
    rows = [line for line in texts[3].splitlines() if line.startswith(("| acc", "| mat"))]
    assert rows == [
        f"| {on} | 1 of 3 | 2 | - | -, 2, - |" for on in ("accepted rows", "matched rows")
    ]
    records = [chain_rows(measured(g, values)) for g, values in enumerate(rare(dies=2))]
    table = pa.concat_tables(records)
    assert [a["generation"] for a in alarms(Trajectories.of(table), settings)] == [
        [None, 2, None]
    ] * 2
    rebuild(tmp_path / "again", settings, table).close()
    assert alarm_texts(events(tmp_path / "again" / "tensorboard")) == texts


def test_healthy_chains_ring_no_alarm_and_the_end_says_so(tmp_path):
    board = Dashboard(tmp_path, config(facts=FACTS))
    for g, values in enumerate(rare(dies=None)):
        board.generation(measured(g, values))
    board.close()
    found = events(tmp_path)
    assert set(series(found, "alarms/accepted rows").values()) == {0.0}
    assert (
        list(alarm_texts(found)) == [3]
        and "| 0 of 3 | - | - | -, -, - |" in alarm_texts(found)[3]
    )


def test_the_end_of_a_finished_run_is_there_to_sort_by(tmp_path):
    for finished in (True, False):
        board = Dashboard(tmp_path / str(finished), config())
        for g in range(3):
            values = record(seed=g)
            if g == 2:
                values["fidelity"] = torch.full((3,), torch.nan)
            board.generation(measured(g, values))
        board.close(finished)
    found = events(tmp_path / "True")
    last = float(record(seed=2)["tail_coverage"].mean())
    assert series(found, "0 final/1 tail_coverage") == {2: pytest.approx(last)}
    finals = [tag for tag in found.Tags()["scalars"] if tag.startswith("0 final")]
    assert finals == ["0 final/1 tail_coverage", "0 final/3 frechet"]  # no precision at the end
    assert sorted(found.Tags()["scalars"])[:2] == finals  # the columns that are shown unasked
    unfinished = events(tmp_path / "False").Tags()["scalars"]
    assert not any(tag.startswith("0 final") for tag in unfinished)


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
    steps = [event.step for event in found.Scalars("1 tail/tail_coverage")]
    assert steps == [0, 1, 2, 3, 4, 5]
    again = float(record(seed=23)["tail_coverage"].mean())
    assert series(found, "1 tail/tail_coverage")[3] == pytest.approx(again)
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
        assert "seed" not in values  # a row is of all seeds
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
    expected = config()
    del expected["facts"]["columns"]  # most of it: charts tell of them by place and name
    assert yaml.safe_load(text.decode()) == expected


def test_rebuilt_from_the_record_alone(tmp_path):
    folder = run(tmp_path / "run", config())
    for _ in range(2):  # and again, in place of the first
        rebuild(folder, config(), pq.read_table(folder / "metrics.parquet")).close()
    files = list((folder / "tensorboard").iterdir())
    found = events(folder / "tensorboard")
    assert len(files) == 1
    assert list(series(found, "1 tail/tail_coverage")) == [0, 1, 2, 3]
    for chain in range(3):
        pictures = found.Images(f"samples/chain {chain}")
        assert [event.step for event in pictures] == [0, 1, 2, 3]
        pixels = np.asarray(Image.open(io.BytesIO(pictures[2].encoded_image_string)))
        assert pixels[0, 0].tolist() == [20, 20, 20]


def test_planar_samples_are_drawn_with_their_densities(tmp_path, planar):
    board = Dashboard(tmp_path, config(), planar)
    board.generation(measured(0, rows=planar.held_out.expand(2, -1, -1)))
    board.close()
    tags = events(tmp_path).Tags()["images"]
    densities = ["densities/all chains", "densities/chain 0", "densities/chain 1"]
    assert sorted(tags) == [*densities, "samples/chain 0", "samples/chain 1"]


@pytest.mark.parametrize("generations", [1, 2, 100, 101, 250])
def test_no_more_pictures_than_tensorboard_shows_and_the_ends_among_them(tmp_path, generations):
    board = Dashboard(tmp_path, config(generations=generations, facts={"event": [2, 2]}))
    tiny = torch.zeros(1, 1, 4, dtype=torch.uint8)
    for g in range(generations):
        board.generation(measured(g, {"fidelity": torch.ones(1)}, tiny))
    board.close()
    steps = [event.step for event in events(tmp_path).Images("samples/chain 0")]
    assert steps[0] == 0 and steps[-1] == generations - 1
    assert min(generations, PICTURES // 2) <= len(steps) <= PICTURES


def test_rows_that_are_no_picture_are_not_drawn(tmp_path, planar):
    table = Data("table", Space((2, 1), False), *[planar.held_out] * 4)
    board = Dashboard(tmp_path, config(), table)
    rows = torch.zeros(3, 4, 2, dtype=torch.float64)
    board.generation(measured(0, None, rows, rows))
    board.close()
    assert events(tmp_path).Tags()["images"] == []
