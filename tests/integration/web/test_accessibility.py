"""axe-core finds no serious fault in any view, light and dark."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from artifact.child import ServedArtifact
from tests.integration.web.conftest import VIEWS, OpenPage

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")

AXE = importlib.util.find_spec("axe_playwright_python")
TEXT = "One word after the other goes by. " * 60 + "🪗"
BOXES = {"try": ("#try-text",), "compare": ("#compare-before", "#compare-after")}
"""The boxes of each view that get a text."""


def faults(page: Any) -> list[str]:
    """Return the serious findings of axe-core, each with the element that it is about."""
    assert AXE is not None
    assert AXE.origin is not None
    page.evaluate((Path(AXE.origin).parent / "axe.min.js").read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{each['id']}: {node['html'][:150]} {node.get('failureSummary', '')[:200]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


@pytest.mark.skipif(AXE is None, reason="axe-core comes with axe-playwright-python: pip install axe-playwright-python")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_view_has_a_serious_fault(open_page: OpenPage, server: ServedArtifact, view: str, scheme: str) -> None:
    """Contrast, names, roles and order, with an answer in place and each part of the view opened."""
    page = open_page(f"{server.url}/#/{view}", color_scheme=scheme, reduced_motion="reduce")
    boxes = BOXES.get(view, ())
    page.locator(f"#view-{view} h1, #view-{view} h2").first.wait_for()
    assert [] == faults(page)
    for box in boxes:
        page.fill(box, TEXT)
    if boxes:
        page.locator(".decision").nth(len(boxes) - 1).wait_for()
        page.locator(".token, .changes").first.wait_for()
    assert [] == faults(page)
    segments = page.locator(f"#view-{view} .segments").first.get_by_role("button")
    for index in range(segments.count()):
        segments.nth(index).click()
        assert [] == faults(page)


@pytest.mark.skipif(AXE is None, reason="as above")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_errors_and_the_key_dialog_have_no_serious_fault(
    open_page: OpenPage, server: ServedArtifact, scheme: str
) -> None:
    """They are announced and readable too."""
    page = open_page(server.url, color_scheme=scheme, reduced_motion="reduce")
    error = {"kind": "overloaded", "message": "the queue is full", "request_id": "1"}
    page.route("**/predict", lambda route: route.fulfill(status=429, json={"error": error}))
    page.fill("#try-text", "good")
    page.locator(".state.warn").wait_for()
    assert [] == faults(page)
    page.unroute("**/predict")
    page.route("**/predict", lambda route: route.fulfill(status=401, json={"error": error | {"kind": "unauthorized"}}))
    page.fill("#try-text", "bad")
    page.get_by_role("dialog").wait_for()
    assert [] == faults(page)
