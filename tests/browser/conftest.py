"""The machine's own Chromium, without a window; without it, tests that need it are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--disable-background-networking",  # pages come from this machine only
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


# Not for the session: while it is open, this thread has a running event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A headless Chromium, for all tests of this package."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="browser tests need playwright; type: uv sync"
    )
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("browser tests need Chromium; type: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of its own, with no cookies or settings from others."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    context.set_default_timeout(90_000)  # two busy cores are slow
    yield context.new_page()
    context.close()
