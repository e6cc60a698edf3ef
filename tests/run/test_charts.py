"""The custom-scalars page: its charts, their order, and that every series of them is there."""

import re

import numpy as np
import pytest
import torch
from events import FACTS, events, measured, rare, series
from fabricated import CONTROLS, config, described
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from nc_testbed.laws.law import ExactLaw
from nc_testbed.view.charts import LIMITS, control_lines, layout
from nc_testbed.view.tensorboard import Dashboard

COLUMNS = described()
THIRDS = "matched coverage: head, medium, tail"


def drawn_layout(found: EventAccumulator) -> Layout:
    proto = Layout()
    proto.ParseFromString(
        found.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    )
    return proto


def test_every_chart_of_the_layout_has_its_data_and_the_first_stand_side_by_side(tmp_path):
    board = Dashboard(tmp_path, config(facts=FACTS))
    board.generation(measured(0, rare(None)[0]))
    board.close()
    found = events(tmp_path)
    proto = drawn_layout(found)
    titles = [category.title for category in proto.category]
    assert titles == sorted(titles)
    assert [category.title for category in proto.category if not category.closed] == titles[:1]
    together = {chart.title: chart for chart in proto.category[0].chart}
    assert list(together)[::-1] == [  # bands are drawn reversed
        THIRDS,
        "tail_coverage",
        "tail alarms: share of chains",
        "fidelity",
    ]
    thirds = [s.value for s in together[THIRDS].margin.series]
    means = ["2 quality/head_coverage", "2 quality/medium_coverage", "1 tail/tail_coverage"]
    assert thirds == means
    alarms = [s.value for s in together["tail alarms: share of chains"].margin.series]
    assert alarms == ["alarms/accepted rows", "alarms/matched rows", *LIMITS]
    series_of = [s for c in proto.category for chart in c.chart for s in chart.margin.series]
    assert len(series_of) == 3 + 1 + 4 + 1 + len(rare(None)[0])
    for band in series_of:
        assert {band.value, band.lower, band.upper} <= set(found.Tags()["scalars"])


def test_every_chart_of_a_column_with_controls_has_their_flat_lines(tmp_path):
    board = Dashboard(tmp_path, config(facts=FACTS), controls=CONTROLS)
    for g in range(3):
        board.generation(measured(g, rare(None)[g]))
    board.close()
    found = events(tmp_path)
    charts = [chart for group in drawn_layout(found).category for chart in group.chart]
    labels = ("real rows", "no tail", "no model", "noise")
    lines = [f"controls/tail_coverage/{label}" for label in labels]
    of_tail = [chart for chart in charts if chart.title in ("tail_coverage", THIRDS)]
    assert len(of_tail) == 3  # read together, in its group, and the chart of thirds
    for chart in of_tail:
        assert [
            s.value for s in chart.margin.series if s.value.startswith("controls/")
        ] == lines
    assert series(found, "controls/tail_coverage/no tail") == dict.fromkeys(
        range(3), pytest.approx(0.02)
    )
    assert "controls/fidelity/no model" not in found.Tags()["scalars"]  # undefined there
    for chart in charts:
        for band in chart.margin.series:
            assert {band.value, band.lower, band.upper} <= set(found.Tags()["scalars"])


def test_noise_does_not_flatten_the_curve_of_a_column_without_bounds():
    lines = control_lines(COLUMNS, CONTROLS, "nll")
    assert lines == {"controls/nll/real rows": 110}
    assert "controls/fidelity/noise" in control_lines(COLUMNS, CONTROLS, "fidelity")


def test_one_chain_is_drawn_as_a_line():
    together = layout(
        COLUMNS, ["fidelity", "tail_coverage", "tail_recall_2"], several=False
    ).category[0]
    assert together.title == "0 read together"
    drawn = {chart.title: list(chart.multiline.tag) for chart in together.chart}
    assert list(drawn) == ["matched coverage: head, medium, tail", "tail_coverage", "fidelity"]
    tags = ["1 tail/tail_coverage", "8 other/tail_recall_2", "2 quality/fidelity"]
    for title, tag in (("tail_coverage", tags[0]), ("fidelity", tags[2])):
        (pattern,) = drawn[title]
        assert [x for x in tags if re.match(pattern, x)] == [tag]  # as TensorBoard reads it
    with_law = (
        layout(COLUMNS, ["fidelity"], several=False, laws=["fidelity"]).category[0].chart[0]
    )
    assert [bool(re.match(x, "laws/fidelity")) for x in with_law.multiline.tag] == [
        False,
        True,
    ]


def test_a_law_is_drawn_over_its_curve(tmp_path):
    falling = ExactLaw("some.law (A1)", "derived", np.array([0.5, 0.4, 0.3]))
    board = Dashboard(tmp_path, config(), laws={"recall": falling})
    values = {"recall": torch.tensor([0.1, 0.2, 0.3, 0.4]), "fidelity": torch.ones(4)}
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
    assert len(charts["fidelity"].margin.series) == 1
