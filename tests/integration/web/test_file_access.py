"""File, for everybody: with a key, by keyboard, with a screen reader; no state has a serious finding of axe-core."""

from typing import TYPE_CHECKING

import pytest

from artifact.child import ServedArtifact
from tests.integration.web.conftest import OpenPage
from tests.integration.web.test_accessibility import AXE, faults
from tests.integration.web.test_file import DONE, choose, expect, table, view

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["view"]  # a fixture


@pytest.mark.skipif(AXE is None, reason="axe-core comes with axe-playwright-python: pip install axe-playwright-python")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_state_has_a_serious_fault(open_page: OpenPage, server: ServedArtifact, scheme: str) -> None:
    """Choosing, preview, results, review, the dialog of a row, and a file that cannot be read."""
    page = open_page(f"{server.url}/#/file", color_scheme=scheme, reduced_motion="reduce")
    page.locator(".file-drop").wait_for()
    found = faults(page)
    choose(page, "a.csv", table(30) + b"x, ,positive\n")
    page.get_by_role("button", name="Score all rows").wait_for()
    found += faults(page)
    page.get_by_role("button", name="Score all rows").click()
    page.locator(DONE).wait_for()
    page.get_by_role("button", name="Start the review").click()
    page.locator(".file-review").wait_for()
    found += faults(page)
    page.locator("#file-show").select_option("failed")
    expect(page.locator(".file-open")).to_have_count(1)
    page.locator(".file-open").click()
    page.get_by_role("dialog").wait_for()
    found += faults(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Score another file").click()
    choose(page, "a.csv", b"text\n\xff\n")
    page.locator(".state.bad").wait_for()
    assert [] == found + faults(page)


def test_a_refused_key_interrupts_the_run_until_there_is_one(view: "Page") -> None:
    """The page asks for a key; without one the run stops with the server's reason, and continue asks again."""
    error = {"error": {"kind": "unauthorized", "message": "the API key is missing", "request_id": "1"}}
    view.route(
        "**/predict/stream",
        lambda route: (
            route.continue_()
            if route.request.headers.get("x-api-key") == "secret"
            else route.fulfill(status=401, json=error)
        ),
    )
    choose(view, "a.csv", table(600))
    view.get_by_role("button", name="Score all rows").click()
    view.get_by_role("button", name="Not now").click()
    expect(view.locator(".state.bad")).to_contain_text("the API key is missing. Answers so far are kept")
    view.get_by_role("button", name="Continue").click()
    view.get_by_role("textbox", name="API key").fill("secret")
    view.get_by_role("button", name="Use this key").click()
    expect(view.locator(DONE)).to_be_visible(timeout=30_000)
    assert "600" == view.locator(".file-figures dd").first.text_content()


def test_a_file_is_scored_by_keyboard_alone(view: "Page") -> None:
    """Tab and Enter are enough, and a screen reader hears how far the run is."""
    names = []
    for _ in range(30):
        view.keyboard.press("Tab")
        focused = view.evaluate("document.activeElement.id || document.activeElement.textContent")
        names.append(focused)
        if focused == "Use example rows":
            break
    assert "file-input" in names
    view.keyboard.press("Enter")
    expect(view.get_by_role("button", name="Score all rows")).to_be_visible()
    expect(view.locator(".file-view")).to_be_focused()
    for _ in range(12):
        view.keyboard.press("Tab")
        if view.evaluate("document.activeElement.textContent") == "Score all rows":
            break
    view.keyboard.press("Enter")
    expect(view.locator(DONE)).to_be_visible()
    expect(view.locator("#live")).to_contain_text("Done: ")
    view.locator(".file-rows").focus()
    view.keyboard.press("Tab")
    view.keyboard.press("Enter")
    expect(view.locator("[aria-sort=descending]")).to_have_text("Line")
