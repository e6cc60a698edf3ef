"""TensorBoard as people see it: its pages are opened and held against what the runs recorded."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pyarrow.parquet as pq
import pytest
from events import events
from fabricated import blind, config
from fabricated import run as fabricated_run
from test_charts import drawn_layout

from nc_testbed.cli import train as cli
from nc_testbed.run.console import advice
from nc_testbed.view.tensorboard import rebuild

pytestmark = pytest.mark.browser
SEEN = "metrics=[matched_coverage,fidelity,coverage,tail_mass]"
THIRDS = "matched coverage: head, medium, tail"
RARE = [
    "data=mixture2d",
    "data.imbalance_ratio=20",
    "data.rows=400",
    "data.test_rows=400",
    "model=gmm",
]
RARE += ["evaluation.rows=2000", SEEN]
SWEEP = ["-m", *RARE, "policy=replace,real", "seed=0,1", "chains=4", "generations=6"]
RUNS = {
    "ring": ["experiment=ring", "policy=replace", SEEN, "chains=3", "generations=12"],
    "digits": [
        "data=digits",
        "data.imbalance_ratio=20",
        "model=gmm",
        SEEN,
        "chains=2",
        "generations=3",
    ],
    "law": [
        "data=gaussian",
        "model=gaussian",
        "policy=replace",
        "n=50",
        "chains=100",
        "generations=10",
    ],
    "alone": [*RARE, "policy=replace", "chains=1", "generations=6"],
}
ROOMY = {"timeout": 60_000}
PATHS = "paths => paths.map(path => path.getAttribute('d') || '')"
CELLS = "rows => rows.map(row => [...row.children].map(cell => cell.textContent.trim()))"
PLACES = """cells => cells.map(cell => {
    const box = cell.getBoundingClientRect();
    return [Math.round((box.top + box.bottom) / 16), Math.round(box.left), cell.innerText.trim()];
})"""
LOADED = """() => {
    const all = root => [...root.querySelectorAll("*")].flatMap(e =>
        [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
    const pictures = all(document).filter(e => e.tagName === "IMG");
    return pictures.length && pictures.every(e => e.complete && e.naturalWidth > 0);
}"""


def expect(seen: Any) -> Any:
    """Playwright's assertions, which wait; an extra that quick tests do without."""
    from playwright.sync_api import expect as awaited

    return awaited(seen)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[[str], Path]:
    """Runs in a directory: ``sweep``, of two policies and two seeds, and those of ``RUNS``."""
    home = tmp_path_factory.mktemp("runs")

    @lru_cache
    def make(name: str) -> Path:
        words = SWEEP if name == "sweep" else RUNS[name]
        where = "hydra.sweep.dir" if name == "sweep" else "hydra.run.dir"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                sys, "argv", ["train.py", *words, "device=cpu", f"{where}={home / name}"]
            )
            cli.main()
        return home / name

    return make


@contextmanager
def served(logdir: Path) -> Iterator[tuple[str, str]]:
    """TensorBoard on a free port, by the command that a run prints; its address and that of the
    page which the run says to open."""
    command, link = advice(logdir)
    words = shlex.split(command)
    words[0] = str(Path(sys.executable).with_name(words[0]))
    assert words[3:5] == ["--host", "127.0.0.1"]
    with subprocess.Popen([*words, "--port", "0"], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            told = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stderr)
            address = next(found[0] for found in told if found)
            wanted = len(list(logdir.rglob("tensorboard")))
            until = time.monotonic() + 60
            while len(json.load(urlopen(f"{address}/data/runs"))) < wanted:
                assert time.monotonic() < until, "the runs are not loaded"
                time.sleep(0.2)
            yield address, link.replace("http://127.0.0.1:6006", address)
        finally:
            server.terminate()


def summaries(sweep: Path) -> dict[str, list[dict]]:
    """The summaries of a sweep, by policy."""
    found: dict[str, list[dict]] = {}
    for path in sorted(sweep.glob("*/summary.json")):
        summary = json.loads(path.read_text())
        found.setdefault(summary["policy"], []).append(summary)
    return found


def laid_out(*views: Path) -> list[tuple[str, int]]:
    """The charts of the first group of these runs' layout, and the curves that each shows."""
    counts: dict[str, int] = {}
    for view in views:
        found = events(view)
        known = found.Tags()["scalars"]
        for chart in drawn_layout(found).category[0].chart:
            values = [series.value for series in chart.margin.series]
            patterns = [f"^{re.escape(value)}$" for value in values] + list(chart.multiline.tag)
            seen = {tag for tag in known for pattern in patterns if re.search(pattern, tag)}
            counts[chart.title] = counts.get(chart.title, 0) + len(seen)
    is_margin = "margin" in str(drawn_layout(events(views[0])).category[0])
    return list(counts.items())[::-1] if is_margin else list(counts.items())


def charts(
    page, curves: Sequence[tuple[str, int]], generations: int, kind: str = "margin"
) -> dict[str, list[str]]:
    """Wait until the page shows these charts with so many curves each; the bands of each, as paths.

    Every curve must pass through every generation.
    """
    cards = page.locator(f"tf-custom-scalar-{kind}-chart-card")
    expect(cards).to_have_count(len(curves), **ROOMY)
    bands = {}
    for i, (title, lines) in enumerate(curves):
        card = cards.nth(i)
        assert card.evaluate("card => card.title") == title
        drawn = card.locator("path.line[stroke]")
        expect(drawn).to_have_count(lines, **ROOMY)
        for d in drawn.evaluate_all(PATHS):
            assert d.count("L") == generations - 1 and "NaN" not in d, (title, d)
        bands[title] = card.locator("path.area").evaluate_all(PATHS)
    return bands


def thickness(band: str) -> float:
    """How thick a band is at its thickest, in pixels: its path goes along one edge and back."""
    ys = [float(y) for y in re.findall(r",(-?[0-9.e-]+)", band)]
    half = len(ys) // 2
    return max(abs(a - b) for a, b in zip(ys[:half], ys[: -half - 1 : -1], strict=True))


def test_one_glance_at_a_sweep(page, made, screenshots):
    """Coverage of common and rare classes, headline, alarms, fidelity, an overall one: four
    runs."""
    with served(made("sweep")) as (_, link):
        for width in (1280, 1920):
            page.set_viewport_size({"width": width, "height": 1000})
            page.goto("about:blank")
            page.goto(link)
            bands = charts(page, laid_out(*made("sweep").glob("*/tensorboard")), generations=6)
            page.wait_for_timeout(500)  # the last of them slides into its place
            page.screenshot(path=screenshots / f"sweep-{width}.png")
    assert set(bands) > {THIRDS, "tail_coverage", "tail alarms: share of chains", "fidelity"}
    assert max(map(thickness, bands["tail_coverage"])) > 5
    assert max(map(thickness, bands[THIRDS])) < 0.01  # means


def test_a_law_lies_over_its_curve(page, made, screenshots):
    with served(made("law")) as (_, link):
        page.set_viewport_size({"width": 1280, "height": 1400})
        page.goto(link)
        named = ("variance", "kl", "w2_squared", "kl", "variance", "log_variance", "mean")
        charts(page, [(name, 2) for name in named], generations=10)
        page.screenshot(path=screenshots / "law-1280.png")


def test_one_chain_has_lines(page, made, screenshots):
    with served(made("alone")) as (_, link):
        page.goto(link)
        curves = laid_out(made("alone") / "tensorboard")
        charts(page, curves, generations=6, kind="multi-line")
        page.screenshot(path=screenshots / "one-chain-1280.png")


def test_ceiling_and_floors_are_flat_lines_in_their_charts(page, tmp_path, screenshots):
    """Four in the chart of a share; of a loss real rows alone, so that its curve is not
    flattened; of one chain and of several."""
    for chains, kind in ((3, "margin"), (1, "multi-line")):
        settings = config(chains=chains)
        folder = fabricated_run(tmp_path / str(chains), settings, blind())
        rebuild(folder, settings, pq.read_table(folder / "metrics.parquet")).close()
        with served(folder) as (address, link):
            page.set_viewport_size({"width": 1280, "height": 1000})
            page.goto("about:blank")
            page.goto(link)
            curves = laid_out(folder / "tensorboard")
            assert dict(curves)["tail_coverage"] == 1 + 4
            charts(page, curves, generations=4, kind=kind)
            page.wait_for_timeout(500)
            page.screenshot(path=screenshots / f"controls-{chains}.png")
            page.goto("about:blank")
            page.goto(f"{address}/#text")
            refusal = page.locator("tf-text-loader", has_text="is no measure here")
            expect(refusal).to_have_count(1, **ROOMY)
            page.screenshot(path=screenshots / f"controls-text-{chains}.png")


def test_every_generation_of_the_samples_can_be_looked_at(page, made, screenshots):
    """Grids of digits, and densities and scatters of the plane, twelve generations of them."""
    for name, pictures, last in (("digits", 2, 2), ("ring", 7, 11)):
        with served(made(name)) as (address, _):
            page.set_viewport_size({"width": 1280, "height": 1500})
            page.goto("about:blank")
            page.goto(f"{address}/#images")
            loaders = page.locator("tf-image-loader")
            expect(loaders).to_have_count(pictures, **ROOMY)
            for place in (last, 0):
                if place == 0:
                    for i in range(pictures):
                        loaders.nth(i).locator("paper-slider").evaluate("s => s.value = 0")
                for i in range(pictures):
                    expect(loaders.nth(i).locator("img")).to_be_visible(**ROOMY)
                    assert loaders.nth(i).locator("paper-slider").evaluate("s => s.max") == last
                    expect(loaders.nth(i)).to_contain_text(re.compile(rf"step\s+{place}\b"))
                page.wait_for_function(LOADED, **ROOMY)
                page.screenshot(path=screenshots / f"images-{name}-{place}.png")


def test_alarms_are_told(page, made, screenshots):
    with served(made("sweep")) as (address, _):
        page.set_viewport_size({"width": 1280, "height": 1000})
        page.goto(f"{address}/#text")
        expect(page.locator("tf-text-loader")).to_have_count(8, **ROOMY)  # alarms and settings
        told = page.locator("tf-text-loader", has_text="tail alarm on")
        expect(told).to_have_count(4, **ROOMY)
        page.screenshot(path=screenshots / "text.png")
        rows = {tuple(cells) for cells in told.locator("tbody tr").evaluate_all(CELLS)}
    for summary in (s for one in summaries(made("sweep")).values() for s in one):
        assert len(summary["alarms"]) == 2
        for alarm in summary["alarms"]:
            rung = [g for g in alarm["generation"] if g is not None]
            first = f"{min(rung)}" if rung else "-"
            median = "-" if alarm["median"] is None else f"{alarm['median']:g}"
            each = ", ".join("-" if g is None else f"{g}" for g in alarm["generation"])
            alarmed = f"{alarm['alarmed']} of {summary['chains']}"
            assert (alarm["on"], alarmed, first, median, each) in rows


def test_a_sweep_is_sorted_by_the_tail_coverage_it_ends_with(page, made, screenshots):
    """One row for every setting, its seeds taken together."""
    found = summaries(made("sweep"))
    ends = {
        policy: sum(s["metrics"]["tail_coverage"]["last"]["mean"] for s in seeds) / len(seeds)
        for policy, seeds in found.items()
    }
    assert [len(seeds) for seeds in found.values()] == [2, 2] and ends["replace"] < ends["real"]
    with served(made("sweep")) as (address, _):
        page.set_viewport_size({"width": 1600, "height": 900})
        page.goto(f"{address}/#hparams")
        choose(page, "Sort by", "0 final/1 tail_coverage")
        for direction, order in (("Ascending", 1), ("Descending", -1)):
            choose(page, "Direction", direction)
            wanted = sorted(ends.items(), key=lambda end: order * end[1])
            expect(page.locator("tf-hparams-table-view")).to_be_visible(**ROOMY)
            page.wait_for_timeout(1500)
            assert table(page, "policy", "0 final/1 tail_coverage") == [
                (policy, f"{mean:#.5g}") for policy, mean in wanted
            ]
            page.screenshot(path=screenshots / f"hparams-{direction.lower()}.png")


def choose(page, label: str, item: str) -> None:
    menu = page.locator(f"tf-hparams-query-pane paper-dropdown-menu[label='{label}']")
    menu.click(**ROOMY)
    menu.locator("paper-item", has_text=item).click()


def table(page, *columns: str) -> list[tuple[str, ...]]:
    """These columns of the table of hyperparameters, row by row as they stand on the page."""
    cells = page.locator("tf-hparams-table-view vaadin-grid-cell-content")
    rows: dict[int, dict[int, str]] = {}
    for height, left, text in cells.evaluate_all(PLACES):
        if text:
            rows.setdefault(height, {})[left] = text
    header, *body = (rows[height] for height in sorted(rows))
    at = {text: left for left, text in header.items()}
    return [tuple(row[at[column]] for column in columns) for row in body]
