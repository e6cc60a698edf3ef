"""The guide as a site: every page fits a desk and a phone, and asks nothing of the network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
DOCS = Path(__file__).parents[2] / "docs"
NAMES = [p.relative_to(DOCS).with_suffix("") for p in sorted(DOCS.rglob("*.md"))]
NAMES = [str(name) for name in NAMES if str(name) not in ("next", "figures/table")]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built as ``make docs`` does."""
    made = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
    done = subprocess.run(
        [*command, "--config-file", str(DOCS / "site" / "mkdocs.yml"), "--site-dir", str(made)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_and_asks_nothing_of_the_network(name, site, page: Page, screenshots: Path):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for width in (1280, 420):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto((site / f"{name}.html").as_uri())
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("article h1").is_visible()
        page.screenshot(path=screenshots / f"site_{name.replace('/', '_')}_{width}.png")
    assert asked and not [
        url for url in asked if not url.startswith(("file:", "data:", "blob:"))
    ]
