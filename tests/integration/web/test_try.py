"""Try: the answer comes while one types, and it is the answer to what stands in the box."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.integration.web.conftest import OpenPage
from tests.support.routes import hold_texts

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
expect = sync_api.expect

PRAISE = "A film I will watch again."
SCRIPT = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"


def test_the_answer_comes_while_one_types(page: "Page", server: ServedArtifact) -> None:
    """Label, probabilities and tokens are those of the API, and the three times stand there."""
    page.locator("#try-text").press_sequentially(PRAISE)
    expect(page.locator(".decision .words")).to_have_text("positive")
    answer = httpx.post(f"{server.url}/predict", json={"text": PRAISE}).json()
    shares = [f"{100 * share:.1f} %" for share in answer["probabilities"]]
    assert shares == page.locator(".bar .value").all_text_contents()
    expect(page.locator(".token")).to_have_count(answer["tokens"])
    assert ["Tokenize", "Queue", "Inference"] == page.locator(".times dt").all_text_contents()[:3]


def test_an_older_answer_never_overwrites_a_newer_one(page: "Page") -> None:
    """The answer to the first text is held back until the second one is shown."""
    held = hold_texts(page, "**/predict", "terrible")
    with page.expect_request("**/predict"):
        page.fill("#try-text", "A terrible film.")
    page.fill("#try-text", PRAISE)
    expect(page.locator(".decision .words")).to_have_text("positive")
    for route in held:
        route.fulfill(
            json={"sentiment": 0, "label": "negative", "probabilities": [1, 0], "tokens": 5, "truncated": False}
        )
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert 1 == len(held)
    assert "positive" == page.locator(".decision .words").text_content()


def test_the_exact_spot_of_a_cut_is_shown(page: "Page", server: ServedArtifact) -> None:
    """The struck part is what lies between the characters that the API says are read; emoji count once."""
    text = "🪗 Good. " + "One word after the other goes by here. " * 60 + "Bad."
    page.fill("#try-text", text)
    left_out = page.locator(".cut del")
    expect(left_out).to_have_count(1)
    (_, start), (stop, _) = httpx.post(f"{server.url}/tokenize", json={"text": text}).json()["read"]
    assert text[start:stop] == left_out.text_content()
    assert f"{stop - start:,} characters not read" == page.locator(".cut-mark").text_content()
    expect(page.locator(".token.unknown").first).to_contain_text("🪗")


def test_a_link_brings_the_text_back_without_sending_it(open_page: OpenPage, page: "Page") -> None:
    """It stands in the fragment, and goes out of the address bar once it is read."""
    page.fill("#try-text", "50 % & more + # “quoted”\nline")
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_url("**/#/try?text=*")
    asked: list[str] = []
    other = open_page(page.url)
    other.on("request", lambda request: asked.append(request.url))
    expect(other.locator("#try-text")).to_have_value("50 % & more + # “quoted”\nline")
    assert "#/try" == other.evaluate("location.hash")
    other.reload()
    expect(other.locator("#try-text")).to_have_value("")
    assert not any("quoted" in url for url in asked)


def test_an_example_is_one_click_away(page: "Page") -> None:
    """It fills the box and is answered."""
    page.get_by_role("button", name="Complaint").click()
    expect(page.locator(".decision .words")).to_have_text("negative")
    assert page.locator("#try-text").input_value()


@pytest.mark.parametrize("place", ["text", "label", "error"])
def test_a_text_never_runs_as_script(page: "Page", place: str) -> None:
    """Not as the caller's text, not as a label, not in an error that quotes it."""

    def answer(route: "Route") -> None:
        label: dict[str, Any] = {
            "sentiment": 1,
            "label": SCRIPT,
            "probabilities": [0, 1],
            "tokens": 3,
            "truncated": False,
        }
        error = {"error": {"kind": "invalid_request", "message": SCRIPT, "request_id": "1"}}
        route.fulfill(status=200 if place == "label" else 422, json=label if place == "label" else error)

    if place != "text":
        page.route("**/predict", answer)
    page.fill("#try-text", SCRIPT)
    shown = {"text": ".tokens", "label": ".decision .words", "error": ".state p"}[place]
    expect(page.locator(shown)).to_contain_text("script" if place == "text" else SCRIPT)
    assert ("Try · Verdict", 0) == (page.title(), page.locator("main img, main script").count())
