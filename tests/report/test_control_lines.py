"""Ceiling and floors beside the curves, in the tables and in words."""

import json

import numpy as np
import pytest
import xarray
from fabricated import CONTROLS, blind, config, run
from matplotlib.figure import Figure

from nc_testbed import load_run
from nc_testbed.core.errors import BadInput
from nc_testbed.report.arm import join_controls, read_arms
from nc_testbed.report.command import report
from nc_testbed.report.comparison import comparisons
from nc_testbed.report.figures.control_lines import is_control_line
from nc_testbed.report.figures.dose_response import dose, response
from nc_testbed.report.figures.panels import draw_curves, draw_panel
from nc_testbed.report.find_runs import gather_runs
from nc_testbed.report.read_run import read_summary
from nc_testbed.report.sentences import outcome, what_was_run
from nc_testbed.report.tables import long, markdown

FACTS = {"event": [8, 8], "rank_to_class": [[0, 1]] * 3, "referee_accuracy": 0.9923}


def sweep(folder, controls):
    for policy in ("replace", "accumulate"):
        run(folder / policy, config(policy, facts=FACTS), controls)
    return gather_runs([folder]).runs


def heights(axes) -> list[float]:
    return [line.get_ydata()[0] for line in axes.get_lines() if is_control_line(line)]


def test_a_panel_has_a_thin_line_and_a_name_per_control(tmp_path):
    sweep(tmp_path, CONTROLS)
    axes = Figure().subplots()
    draw_panel(axes, read_arms([tmp_path]), "tail_coverage")
    assert heights(axes) == [0.94, 0.02, 0.0, 0.01]
    assert all(line.get_linewidth() < 1 for line in axes.get_lines() if is_control_line(line))
    assert [text.get_text() for text in axes.texts] == ["real rows", "no tail\nnoise\nno model"]
    low, high = axes.get_ylim()
    assert low < 0 < 0.94 < high


def test_a_loss_has_no_line_that_would_flatten_its_curves(tmp_path):
    sweep(tmp_path, CONTROLS)
    axes = Figure().subplots()
    draw_panel(axes, read_arms([tmp_path]), "nll")
    assert heights(axes) == [110]


def test_legends_name_arms_alone_and_without_controls_nothing_changes(tmp_path):
    sweep(tmp_path / "with", CONTROLS)
    sweep(tmp_path / "without", None)
    figures = [
        draw_curves(read_arms([tmp_path / name]), ["tail_coverage"])
        for name in ("with", "without")
    ]
    for figure in figures:
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == ["accumulate", "replace"]
    assert heights(figures[1].axes[0]) == []
    assert not figures[1].axes[0].texts


def test_a_figure_of_doses_has_them_too(tmp_path):
    for k in (1, 5, 9):
        settings = config("anchor", policy={"_target_": "a.B", "k": k}, facts=FACTS)
        run(tmp_path / str(k), settings, CONTROLS)
    (compared,) = comparisons(gather_runs([tmp_path]).runs)
    figure = response(compared, dose(compared.arms), "tail_coverage")
    assert heights(figure.axes[0]) == [0.94, 0.02, 0.0, 0.01]


def test_controls_of_several_runs_are_averaged(tmp_path):
    half = {"real": {"x": [0.1, 0.5, 0.8]}}
    more = {"real": {"x": [0.2, 0.7, None], "y": [None, None, None]}}
    assert join_controls([half, {}, more]) == {
        "real": {"x": [0.1, pytest.approx(0.6), 0.8], "y": [None, None, None]}
    }


def test_tables_have_them_beside_both_ends(tmp_path):
    (compared,) = comparisons(sweep(tmp_path, CONTROLS))
    header, rows = long(compared)
    assert header[-3:] == ["real rows", "no tail", "no model"]
    values = {(row[0], row[1]): row[-3:] for row in rows}
    assert values["replace", "tail coverage"] == ["0.94", "0.02", "0"]
    assert values["replace", "fidelity"] == ["0.95", "0.94", ""]
    lines = markdown(compared).splitlines()
    (real,) = (line for line in lines if line.startswith("| real rows"))
    cells = [cell.strip() for cell in real.strip("|").split("|")]
    titles = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert dict(zip(titles, cells, strict=True))["tail_coverage, generation 3"] == "0.94"
    assert dict(zip(titles, cells, strict=True))["tail_coverage, generation 0"] == ""


def test_without_controls_tables_are_as_before(tmp_path):
    (compared,) = comparisons(sweep(tmp_path, None))
    assert "real rows" not in markdown(compared)
    assert "real rows" not in long(compared)[0]


def test_a_refused_headline_judges_nothing_and_the_report_says_why(tmp_path):
    (compared,) = comparisons(sweep(tmp_path, blind()))
    refusal = (
        "tail_coverage is no measure here: rows without the tail read 0.59 "
        "(at most 0.1 is allowed)"
    )
    assert compared.judged_by is None
    assert compared.names == ("fidelity",)
    words = refusal.replace("_", " ")
    assert outcome(compared.arms[0], compared) == words
    assert f"T{words[1:]}." in what_was_run(compared)
    assert long(compared)[0][4:] == [
        "change within chains", "real rows", "no tail", "no model",
    ]  # fmt: skip
    report([tmp_path], tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert words[1:] in page
    assert "Tail against overall" not in page


def test_one_arm_with_a_high_floor_is_named_and_refuses_for_all(tmp_path):
    run(tmp_path / "a", config("replace", facts=FACTS), blind())
    run(tmp_path / "b", config("accumulate", facts=FACTS), CONTROLS)
    (compared,) = comparisons(gather_runs([tmp_path]).runs)
    assert compared.judged_by is None
    assert any(line.startswith("replace: tail_coverage is no") for line in compared.caveats)


def test_a_report_says_how_good_the_referee_is(tmp_path):
    (compared,) = comparisons(sweep(tmp_path, CONTROLS))
    said = "The referee is right on 99.2% of held-out rows."
    assert what_was_run(compared)[-1] == said
    assert compared.judged_by == "tail_coverage"


def test_a_notebook_has_them_under_named_axes(tmp_path):
    folder = run(tmp_path / "run", config(), CONTROLS)
    data = load_run(folder)
    tail = data["tail_coverage_control"]
    assert tail.dims == ("control", "bound")
    assert tail.sel(control="tail_absent", bound="mean").item() == 0.02
    assert np.isnan(data["fidelity_control"].sel(control="independent")).all()
    assert data.attrs["summary"]["controls"] == CONTROLS
    bare = load_run(run(tmp_path / "bare", config()))
    assert "control" not in bare.coords
    xarray.concat([data, load_run(folder)], "run", combine_attrs="drop", join="exact")


def test_a_summary_of_before_has_none_and_one_that_is_no_controls_is_refused(tmp_path):
    folder = run(tmp_path / "run", config())
    file = folder / "summary.json"
    summary = json.loads(file.read_text())
    del summary["controls"]
    file.write_text(json.dumps(summary))
    assert read_summary(folder)["controls"] == {}
    file.write_text(json.dumps(summary | {"controls": {"real": {"x": [1, "<b>", 2]}}}))
    with pytest.raises(BadInput, match="has controls that are none"):
        read_summary(folder)
