"""The example notebooks: kept with their outputs, and they still run."""

import re
import runpy
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
NOISE = r"/(tmp|home|root|Users|work)/|\d+\.\d+ s\b|[0-9a-f]{8}-[0-9a-f]{4}-|20\d\d-\d\d-\d\d"
"""Paths of a machine, seconds, random names and dates."""


def outputs(notebook):
    return [(c, output) for c in notebook.cells for output in c.get("outputs", [])]


def kinds(notebook):
    return [(out.output_type, sorted(out.get("data", {}))) for _, out in outputs(notebook)]


def test_notebooks_were_found():
    assert NOTEBOOKS


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_what_is_kept_are_results_alone(file):
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    assert file.stat().st_size < 500_000
    counts = [c["execution_count"] for c in notebook.cells if c.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    found = outputs(notebook)
    assert sum("image/png" in output.get("data", {}) for _, output in found) >= 3
    for cell, output in found:
        assert output.output_type != "error" and output.get("name") != "stderr", cell.source
        text = {k: v for k, v in output.get("data", {}).items() if k != "image/png"}
        assert not re.search(NOISE, f"{output.get('text', '')}{text}"), cell.source


@pytest.mark.notebook
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_every_cell_runs_in_an_empty_folder_and_says_what_is_kept(file, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    executed = runpy.run_path(str(ROOT / "scripts" / "notebook.py"))["executed"]
    kept = kinds(nbformat.read(file, as_version=4))
    assert kinds(executed(file, str(tmp_path))) == kept
    assert (tmp_path / "outputs" / "coin" / "k_1" / "summary.json").is_file()
