"""A real Chromium and pages in it. A page that reports an error or asks another host fails its test."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from artifact.child import ServedArtifact
from tests.support.process import ROOT, server_process

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

CHROMIUM = Path("/usr/bin/chromium")
REFUSALS = re.compile(
    r"Failed to load resource: (net::ERR_FAILED|the server responded with a status of (401|404|413|422|429|503)\b)"
)
"""The browser reports each of them; tests of refusals want them."""

VIEWS = re.findall(r'name: "(\w+)"', (ROOT / "server/web/static/js/views.js").read_text())
"""The names of all views, in the order of the navigation."""

OpenPage = Callable[..., "Page"]


@pytest.fixture(scope="package")
def driver() -> "Iterator[Playwright]":
    """Return playwright. It ends with the folder: while it runs, no other test can start an event loop."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright drives the browser: pip install playwright"
    )
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} does not exist: apt-get install chromium")
    with playwright.sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(driver: "Playwright") -> "Iterator[Browser]":
    """Return the browser; each test has pages of its own."""
    browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def server() -> Iterator[ServedArtifact]:
    """Return a server of the default model."""
    with server_process(ROOT / "models/default") as process:
        yield process


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[OpenPage]:
    """Return a function from a URL, and options of a browser context, to a page that has loaded it."""
    complaints: list[str] = []
    contexts = []

    def open_url(url: str, **options: Any) -> "Page":
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        host = urlsplit(url).netloc

        def check_host(request: Any) -> None:
            if urlsplit(request.url).netloc not in (host, "") and not request.url.startswith("data:"):
                complaints.append(f"asked {request.url}")

        page.on("request", check_host)
        page.on("pageerror", lambda error: complaints.append(f"threw {error}"))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"wrote {message.text}")
                if message.type in {"error", "warning"} and not REFUSALS.search(message.text)
                else None
            ),
        )
        page.goto(url)
        return page

    yield open_url
    for context in contexts:
        context.close()
    assert [] == complaints


@pytest.fixture
def page(open_page: OpenPage, server: ServedArtifact) -> "Page":
    """Return the page of the default model's server."""
    return open_page(server.url)
