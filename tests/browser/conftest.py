"""A headless Chromium for tests that look at pages, and a folder that keeps what they saw.

Lets the tests import the fabricated run of the tests of run/.

The browser is Debian's ``chromium``, or the one that ``playwright install chromium`` fetches.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sys.path.append(str(Path(__file__).parents[1] / "run"))

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Nothing is fetched but what a test asks for; the pages are our own, so no sandbox is needed."""
WIDE = {"width": 1280, "height": 900}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    from playwright.sync_api import sync_playwright  # an extra: quick tests do without it

    with sync_playwright() as playwright:
        found = shutil.which("chromium")
        chromium = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new page; the test fails if anything on it was an error. Set its width as you like."""
    context = browser.new_context(viewport=WIDE)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert not errors, errors


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures of pages are kept: ``SCREENSHOTS``, or ``outputs/screenshots``."""
    here = Path(__file__).parents[2] / "outputs" / "screenshots"
    folder = Path(os.environ.get("SCREENSHOTS", here))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
