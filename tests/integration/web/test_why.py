"""Why: the text is coloured by what each part contributes, and what it would be without a part is said."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.integration.web.conftest import OpenPage
from tests.integration.web.test_accessibility import AXE, faults
from tests.support.process import server_process
from tests.support.routes import hold_texts, refuse_once

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
expect = sync_api.expect

TEXT = "A fine 🎬 cast, but the plot is dull."
SCRIPT = "<img src=x onerror=\"document.title='run'\"> is <script>document.title='run'</script> dull."


@pytest.fixture
def why(open_page: OpenPage, server: ServedArtifact) -> "Page":
    """Return the view."""
    return open_page(f"{server.url}/#/why")


def explain(server: ServedArtifact, text: str, by: str = "word") -> Any:
    """Return the answer of the API."""
    return httpx.post(f"{server.url}/explain", json={"text": text, "by": by}).json()


def percent(share: float) -> str:
    """Return a share as the page writes it."""
    return f"{100 * share:.1f} %"


def test_the_text_is_coloured_and_the_strongest_parts_are_listed(why: "Page", server: ServedArtifact) -> None:
    """Words, colours and figures are those of the API; the whole text stands there unchanged."""
    why.fill("#why-text", TEXT)
    parts = explain(server, TEXT)["parts"]
    options = why.locator(".why-text .part")
    expect(options).to_have_count(len(parts))
    strongest = max(parts, key=lambda part: abs(part["contribution"]))
    marked = why.locator(".why-text .part[data-level='5']")
    assert f"{strongest['text']}. speaks for it." in (marked.text_content() or "")
    assert "rgba(0, 0, 0, 0)" != marked.evaluate("(node) => getComputedStyle(node).backgroundColor")
    assert "underline" == marked.evaluate("(node) => getComputedStyle(node).textDecorationLine")
    first = why.locator(".contributions li").first
    expect(first).to_contain_text(strongest["text"])
    expect(first).to_contain_text(f"+{100 * strongest['contribution']:.1f} points")
    whole = why.locator(".why-text").evaluate(
        "(node) => { const copy = node.cloneNode(true);"
        " copy.querySelectorAll('.hidden-text').forEach((each) => each.remove()); return copy.textContent; }"
    )
    assert TEXT == whole


@pytest.mark.parametrize("way", ["hover", "keyboard"])
def test_a_part_says_what_it_would_be_without_it(why: "Page", server: ServedArtifact, way: str) -> None:
    """Under the pointer, and with the keyboard alone; to screen readers too."""
    why.fill("#why-text", TEXT)
    answer = explain(server, TEXT)
    options = why.get_by_role("option")
    expect(options).to_have_count(len(answer["parts"]))
    index = len(answer["parts"]) - 1
    if way == "hover":
        options.nth(index).hover()
    else:
        options.first.focus()
        why.keyboard.press("End")
        why.keyboard.press("ArrowLeft")
        why.keyboard.press("ArrowRight")
        expect(options.nth(index)).to_be_focused()
    part = answer["parts"][index]
    words = (
        f"Without it the probability of {answer['label']} would be {percent(part['score_without'])} "
        f"instead of {percent(answer['score'])}."
    )
    expect(why.locator(".why-detail")).to_contain_text(words)
    expect(why.locator(".why-detail")).to_contain_text(part["text"])
    expect(why.get_by_role("option", selected=True)).to_have_text(f"{part['text']}. speaks for it. {words} ")


def test_sentences_words_and_labels_can_be_chosen(why: "Page", server: ServedArtifact) -> None:
    """A label needs no new answer; it turns the signs around."""
    why.fill("#why-text", f"{TEXT} The end.")
    why.get_by_role("button", name="Sentences").click()
    expect(why.get_by_role("option")).to_have_count(2)
    part = explain(server, f"{TEXT} The end.", "sentence")["parts"][0]
    expect(why.locator(".contributions li").first).to_contain_text(f"+{100 * part['contribution']:.1f} points")
    why.get_by_role("button", name="positive").click()
    expect(why.locator(".contributions li").first).to_contain_text(
        f"\N{MINUS SIGN}{100 * part['contribution']:.1f} points"
    )
    expect(why.locator(".why-text .part[data-level='-5']")).to_have_count(1)
    why.get_by_role("button", name="Words").click()
    expect(why.get_by_role("option")).to_have_count(11)


def test_a_row_of_the_list_leads_to_its_part(why: "Page") -> None:
    """The focus goes into the text."""
    why.fill("#why-text", TEXT)
    why.locator(".contributions button").first.click()
    expect(why.locator(".why-text .part:focus")).to_contain_text("dull.")


def test_a_text_never_runs_as_script(why: "Page") -> None:
    """In the text, in the list, in the chosen part."""
    why.fill("#why-text", SCRIPT)
    expect(why.locator(".why-text")).to_contain_text("onerror")
    for option in why.get_by_role("option").all():
        option.hover()
    assert ("Why · Verdict", 0) == (why.title(), why.locator("main img, main script").count())


def test_an_only_part_is_said_to_be_one(why: "Page") -> None:
    """With a way on."""
    why.fill("#why-text", "Wonderful and moving.")
    why.get_by_role("button", name="Sentences").click()
    expect(why.locator(".why")).to_contain_text("only one sentence")
    why.get_by_role("button", name="Explain by word").click()
    expect(why.get_by_role("option")).to_have_count(3)


def test_too_many_words_can_be_explained_by_sentence(why: "Page") -> None:
    """The refusal has its reason and a button."""
    why.fill("#why-text", "It was a dull film. " * 60)
    expect(why.get_by_role("alert")).to_contain_text("more than 256 words")
    why.get_by_role("button", name="Explain by sentence").click()
    expect(why.get_by_role("option")).to_have_count(60)


def test_a_busy_server_is_asked_again(why: "Page") -> None:
    """When it says so, without a click; meanwhile the reason stands there."""
    refuse_once(why, "**/explain", "4 texts are being explained")
    why.fill("#why-text", TEXT)
    expect(why.get_by_role("alert")).to_contain_text("4 texts are being explained")
    expect(why.get_by_role("option").first).to_be_visible()


def test_an_older_explanation_never_overwrites_a_newer_one(why: "Page") -> None:
    """The first answer is held back until the second one is shown."""
    held = hold_texts(why, "**/explain", "terrible")
    with why.expect_request("**/explain"):
        why.fill("#why-text", "A terrible film.")
    why.fill("#why-text", TEXT)
    expect(why.get_by_role("option")).to_have_count(9)
    for route in held:
        route.abort()
    why.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert (1, 9) == (len(held), why.get_by_role("option").count())


@pytest.fixture(scope="module")
def without() -> Iterator[ServedArtifact]:
    """Return a server that explains nothing."""
    with server_process(protocols="none") as process:
        yield process


def test_a_server_without_explanations_says_so(open_page: OpenPage, without: ServedArtifact) -> None:
    """The view stays usable."""
    page = open_page(f"{without.url}/#/why")
    page.fill("#why-text", "good bad")
    expect(page.get_by_role("alert")).to_contain_text("Explanations are turned off")


@pytest.mark.skipif(AXE is None, reason="axe-core comes with axe-playwright-python: pip install axe-playwright-python")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_has_no_serious_fault(open_page: OpenPage, server: ServedArtifact, scheme: str) -> None:
    """Empty, with a coloured text in both directions, and with an error."""
    page = open_page(f"{server.url}/#/why", color_scheme=scheme, reduced_motion="reduce")
    page.locator("#view-why h1").wait_for()
    assert [] == faults(page)
    page.fill("#why-text", "The acting is superb, but the plot falls apart and the end insults the audience.")
    page.get_by_role("option").first.wait_for()
    assert [] == faults(page)
    page.fill("#why-text", "It was a dull film. " * 60)
    page.get_by_role("alert").wait_for()
    assert [] == faults(page)
