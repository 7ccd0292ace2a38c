"""States that are no answer: a key is asked for, the server is full, the theme and the width change."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from artifact.child import ServedArtifact
from tests.integration.web.conftest import VIEWS, OpenPage
from tests.support.artifacts import copy_tiny, edit_manifest, replace_file
from tests.support.process import server_process
from tests.support.routes import refuse_once

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
expect = sync_api.expect

SCRIPT = "<img src=x onerror=\"document.title='run'\">"


@pytest.fixture(scope="module")
def locked() -> Iterator[ServedArtifact]:
    """Return a server that asks for a key."""
    with server_process(api_key="right-key") as process:
        yield process


def test_a_key_is_asked_for_and_kept_in_memory_alone(open_page: OpenPage, locked: ServedArtifact) -> None:
    """A wrong one is refused, the right one opens the page, and a reload asks again."""
    page = open_page(locked.url)
    key = page.get_by_label("API key", exact=True)
    key.fill("wrong-key")
    key.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The server does not accept this key.")
    key.fill("right-key")
    key.press("Enter")
    page.fill("#try-text", "good")
    expect(page.locator(".decision .words")).to_have_text("positive")
    assert "{}" == page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    assert ("", 0) == (page.evaluate("document.cookie"), page.get_by_text("right-key").count())
    page.reload()
    expect(key).to_be_visible()


def test_without_a_key_the_page_says_so_and_asks_again(open_page: OpenPage, locked: ServedArtifact) -> None:
    """Who gives none sees why there is nothing, and a way on."""
    page = open_page(locked.url)
    page.get_by_role("button", name="Not now").click()
    expect(page.locator(".state")).to_contain_text("An API key is needed")
    page.get_by_role("button", name="Enter the API key").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_an_overloaded_server_is_asked_again_when_it_says_so(page: "Page") -> None:
    """The refusal stands there with its time, and the answer follows without a click."""
    refuse_once(page, "**/predict", "the queue is full")
    page.fill("#try-text", "A film I will watch again.")
    expect(page.locator(".state.warn")).to_contain_text("The server is busy")
    expect(page.locator(".decision .words")).to_have_text("positive")


def test_a_text_that_is_too_long_is_refused_in_words(open_page: OpenPage) -> None:
    """The server's own message says the limit and the remedy."""
    with server_process(max_text_chars="20") as process:
        page = open_page(process.url)
        page.fill("#try-text", "good " * 10)
        expect(page.locator(".state.bad")).to_contain_text("20")


def test_a_server_that_is_gone_is_told_and_the_page_stays(open_page: OpenPage) -> None:
    """Nothing is thrown; the text stays in its box."""
    with server_process() as process:
        page = open_page(process.url)
        page.fill("#try-text", "good")
        expect(page.locator(".decision .words")).to_have_text("positive")
        page.route("**/predict", lambda route: route.abort())
        page.route("**/tokenize", lambda route: route.abort())
        page.fill("#try-text", "bad")
        expect(page.locator(".state.bad")).to_contain_text("No answer from the server")
        assert "bad" == page.locator("#try-text").input_value()


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_shows_every_view_without_sideways_scrolling(
    open_page: OpenPage, server: ServedArtifact, view: str
) -> None:
    """Wide tables and code scroll in themselves."""
    page = open_page(f"{server.url}/#/{view}", viewport={"width": 360, "height": 740}, has_touch=True)
    expect(page.locator(f"#view-{view} h1, #view-{view} h2").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_theme_follows_the_system_until_it_is_chosen(open_page: OpenPage, server: ServedArtifact) -> None:
    """A choice survives a reload; it is all that the page stores."""
    page = open_page(server.url, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    button = page.get_by_role("button", name=re.compile("^Theme"))
    dark = page.evaluate(ground)
    expect(button).to_have_text("Theme: System")
    button.click()
    assert dark != page.evaluate(ground)
    page.reload()
    expect(button).to_have_text("Theme: Light")
    assert ["verdict-theme"] == page.evaluate("Object.keys(localStorage)")


def test_the_page_works_by_keyboard_alone(page: "Page") -> None:
    """One types at once; the navigation is reached backwards, the skip link comes first and is seen."""
    expect(page.locator("#try-text")).to_be_focused()
    compare = page.get_by_role("link", name="Compare")
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if compare.evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare two versions")
    skip = page.locator(".skip")
    skip.focus()
    expect(skip).to_be_in_viewport()
    skip.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    assert "Compare · Verdict" == page.title()


def rename_label(manifest: dict[str, Any]) -> None:
    """Give the first label a name that would be an element."""
    manifest["labels"] = [SCRIPT, *manifest["labels"][1:]]
    for probe in manifest["probes"]:
        probe["labels"] = manifest["labels"]


@pytest.mark.parametrize("place", ["labels", "name", "card"])
def test_an_artifact_never_runs_as_script(open_page: OpenPage, tmp_path: Path, place: str) -> None:
    """Labels, name and card come from a file that anyone may have written."""
    directory = copy_tiny(tmp_path / "artifact")
    if place == "labels":
        edit_manifest(directory, rename_label)
    elif place == "name":
        edit_manifest(directory, lambda manifest: manifest.update(name=SCRIPT))
    card = f"# {SCRIPT}\n\n{SCRIPT} [link](javascript:alert(1))\n\n| {SCRIPT} |\n|---|\n| {SCRIPT} |\n"
    replace_file(directory, "README.md", card.encode())
    with server_process(directory) as process:
        page = open_page(process.url)
        page.fill("#try-text", "bad")
        expect(page.locator(".decision")).to_be_visible()
        for view in VIEWS:
            page.evaluate("(view) => { location.hash = `#/${view}` }", view)
            expect(page.locator(f"#view-{view} h1, #view-{view} h2").first).to_be_visible()
        page.evaluate("() => { location.hash = '#/model' }")
        page.get_by_role("button", name="Card").click()
        expect(page.locator(".prose")).to_contain_text(SCRIPT)
        assert ("Model · Verdict", 0) == (page.title(), page.locator("main img, main a[href^=javascript]").count())


def test_a_server_without_the_page_serves_its_protocols(open_page: OpenPage) -> None:
    """``VERDICT_PAGE=off``: nothing of the page is there."""
    with server_process(page="off", protocols="none") as process:
        page = open_page(f"{process.url}/")
        assert "not_found" in (page.text_content("body") or "")
