"""The report in a browser, wide and narrow: it fits, pictures have loaded, nothing is fetched."""

import shlex

import pytest

from nc_testbed.config.compose import STUDY, compose_config, configurations
from nc_testbed.report.command import report
from nc_testbed.run.execute import execute
from nc_testbed.run.prepare import prepare

pytestmark = pytest.mark.browser
SWEEP = (
    "data=digits data.imbalance_ratio=10 model=vae model.steps=30 model.hidden=[16]",
    "data=mixture2d data.rows=100 model=gmm model.components=8",
    "data=gaussian model=gaussian n=50",
)
POLICIES = ("policy=replace", "policy=anchor policy.k=1", "policy=anchor policy.k=20")
HEADINGS = (
    "what was found", "policy against policy", "dose and response", "tail against overall",
    "samples", "verdicts",
)  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of a small sweep: images with a tail, a plane, and a family with a law."""
    folder = tmp_path_factory.mktemp("sweep")
    for data in SWEEP:
        for policy in POLICIES:
            words = shlex.split(f"{data} {policy} chains=3 generations=4 evaluation.rows=200")
            with configurations():
                config = {k: v for k, v in compose_config(words).items() if k not in STUDY}
            name = f"{config['name']['data']} {policy}"
            execute(prepare(config), config, folder / name)
    report([folder], folder / "report")
    return (folder / "report" / "report.html").as_uri()


@pytest.fixture(params=[1280, 420])
def opened(request, browser, address, screenshots):
    """The page at one width, with what it asked for; a picture of it is kept."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.screenshot(path=screenshots / f"report_{request.param}.png", full_page=True)
    yield page, asked
    context.close()


def test_the_page_fits_and_every_picture_has_loaded(opened):
    page, asked = opened
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert sum(url.startswith("file:") for url in asked) == 1
    wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) > 20
    assert all(width > 0 for width in widths)
    titles = [title.lower() for title in page.locator("h2").all_inner_texts()]
    for data, missing in (
        ("digits", ()),
        ("mixture2d", ("tail against overall", "verdicts")),
        ("gaussian", ("samples",)),
    ):
        there = [f"{data}: {h}" in titles for h in HEADINGS if h not in missing]
        assert all(there), (data, titles)
        assert not any(f"{data}: {h}" in titles for h in missing)
    assert titles[-3:] == ["provenance", "settings", "make it again"]


def test_tables_and_strips_that_are_too_wide_scroll_in_a_box_of_their_own(opened):
    page, _ = opened
    boxes = page.locator(".wide")
    outside = boxes.evaluate_all(
        "all => all.filter(box => box.getBoundingClientRect().right > innerWidth).length"
    )
    assert boxes.count() > 5
    assert outside == 0


def test_panels_stand_side_by_side_where_there_is_room(opened):
    page, _ = opened
    first, second = (page.locator(".panels").first.locator("img").nth(i) for i in (0, 1))
    left, right = first.bounding_box(), second.bounding_box()
    side_by_side = left["y"] == right["y"]
    assert side_by_side == (page.viewport_size["width"] == 1280)


def test_who_wants_no_motion_sees_a_still_picture(browser, address):
    for motion, kind in (("reduce", "png"), ("no-preference", "gif")):
        context = browser.new_context(reduced_motion=motion)
        page = context.new_page()
        page.goto(address)
        shown = page.locator("picture img").first.evaluate("image => image.currentSrc")
        assert shown.startswith(f"data:image/{kind};")
        context.close()
