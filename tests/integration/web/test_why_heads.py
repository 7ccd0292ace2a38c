"""Why, with models of other heads: several labels, a value, two texts. The answers are those of real servers."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.integration.web.conftest import OpenPage
from tests.integration.web.test_accessibility import AXE, faults
from tests.integration.web.test_why import expect, percent
from tests.support.artifacts import copy_tiny, multi_label, of_pairs, regression
from tests.support.process import server_process

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytest.importorskip("onnx")
pytestmark = pytest.mark.development

HEADS = {"multi_label": multi_label, "value": regression, "pairs": of_pairs}
TEXT = "good h bad i"
"""Of a regression, "good" raises the value and all others lower it."""


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the URL of a server of each head."""
    folder = tmp_path_factory.mktemp("heads")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(server_process(change(copy_tiny(folder / name)))).url
            for name, change in HEADS.items()
        }


def post(url: str, path: str, **body: str) -> Any:
    """Return the answer of the API."""
    reply = httpx.post(f"{url}{path}", json=body)
    assert 200 == reply.status_code, reply.text
    return reply.json()


def levels(page: "Page") -> "Locator":
    """Return the coloured parts of the text."""
    return page.locator(".why-text .part")


def test_each_label_of_several_is_explained_with_its_own_threshold(open_page: OpenPage, urls: dict[str, str]) -> None:
    """The most probable label comes first, another one can be chosen; a part may change which labels are chosen."""
    page = open_page(f"{urls['multi_label']}/#/why")
    page.fill("#why-text", "bad z")
    answer = post(urls["multi_label"], "/explain", text="bad z", by="word")
    assert answer["scores"] == post(urls["multi_label"], "/predict", text="bad z")["probabilities"]
    negative, positive = answer["scores"]
    without = [part["score_without"] for part in answer["parts"]]
    assert negative > max(positive, without[0], 0.6)
    assert without[0] < 0.6
    heading = page.locator("#why-title")
    expect(heading).to_have_text(f"negative{percent(negative)} · chosen")
    expect(page.locator(".why")).to_contain_text("The model chooses negative from 60.0 % on.")
    expect(page.locator(".why-detail")).to_contain_text(
        f"Without it the probability of negative would be {percent(without[0])} instead of {percent(negative)}, "
        "and the label would not be chosen."
    )
    assert ["5", "-1"] == [part.get_attribute("data-level") for part in levels(page).all()]
    page.get_by_role("button", name="positive").click()
    assert positive >= 0.5
    expect(heading).to_have_text(f"positive{percent(positive)} · chosen")
    expect(page.locator(".why")).to_contain_text("The model chooses positive from 50.0 % on.")
    contributions = [part["contributions"][1] for part in answer["parts"]]
    assert [value > 0 for value in contributions] == [
        not (part.get_attribute("data-level") or "").startswith("-") for part in levels(page).all()
    ]
    page.fill("#why-text", "w z k k")
    expect(levels(page)).to_have_count(4)
    page.get_by_role("button", name="negative").click()
    (score, _) = post(urls["multi_label"], "/explain", text="w z k k", by="word")["scores"]
    assert score < 0.6
    expect(heading).to_have_text(f"negative{percent(score)} · not chosen")


def test_a_value_is_raised_and_lowered(open_page: OpenPage, urls: dict[str, str]) -> None:
    """Its figures are in the model's own unit; there is no label to speak for, and none to choose."""
    page = open_page(f"{urls['value']}/#/why")
    page.fill("#why-text", TEXT)
    answer = post(urls["value"], "/explain", text=TEXT, by="word")
    value = post(urls["value"], "/predict", text=TEXT)["value"]
    assert (["stars"], value, [value]) == (answer["labels"], answer["score"], answer["scores"])
    expect(page.locator("#why-title")).to_have_text(f"stars{value:.2f}")
    expect(page.get_by_role("group", name="Explained label")).to_have_count(0)
    parts = answer["parts"]
    assert [True, False, False, False] == [part["contribution"] > 0 for part in parts]
    shown = [int(part.get_attribute("data-level") or "") for part in levels(page).all()]
    assert [True, False, False, False] == [level > 0 for level in shown]
    assert 5 == max(map(abs, shown))
    words = page.locator(".why").inner_text()
    assert [True, True] == [each in words for each in ("Lowers the value", "Raises the value")]
    assert [] == [each for each in ("speaks", "probability", "points", "%") if each in words]
    levels(page).nth(2).hover()
    expect(page.locator(".why-detail")).to_contain_text(
        f"Without it the value would be {parts[2]['score_without']:.2f} instead of {value:.2f}."
    )
    expect(page.locator(".why-detail")).to_contain_text(
        f"\N{MINUS SIGN}{abs(parts[2]['contribution']):.2f} · lowers the value"
    )


def test_both_texts_of_a_pair_are_coloured(open_page: OpenPage, urls: dict[str, str]) -> None:
    """Each part says in which of the texts it is."""
    page = open_page(f"{urls['pairs']}/#/why")
    page.fill("#why-text", "good a")
    expect(page.locator("#view-why .state.empty")).to_contain_text("Write two texts")
    page.fill("#why-text-pair", "bad good f")
    answer = post(urls["pairs"], "/explain", text="good a", text_pair="bad good f", by="word")
    expect(levels(page)).to_have_count(5)
    assert [2, 3] == [text.locator(".part").count() for text in page.locator(".why-text").all()]
    first, second = ([part for part in answer["parts"] if part["part"] == number] for number in (0, 1))
    signs = [(part["contribution"] > 0) - (part["contribution"] < 0) for part in (*first, *second)]
    shown = [int(part.get_attribute("data-level") or "") for part in levels(page).all()]
    assert signs == [(level > 0) - (level < 0) for level in shown]
    levels(page).nth(3).hover()
    expect(page.locator(".why-detail .quoted")).to_have_text("“good” in the second text")
    expect(page.locator(".contributions .name").filter(has_text="good")).to_have_text(
        ["good in the first text", "good in the second text"]
    )


@pytest.mark.skipif(AXE is None, reason="axe-core comes with axe-playwright-python: pip install axe-playwright-python")
@pytest.mark.parametrize("head", HEADS)
def test_no_head_has_a_serious_fault(open_page: OpenPage, urls: dict[str, str], head: str) -> None:
    """With parts for and against, in the dark scheme."""
    page = open_page(f"{urls[head]}/#/why", color_scheme="dark", reduced_motion="reduce")
    page.fill("#why-text", TEXT)
    if head == "pairs":
        page.fill("#why-text-pair", "bad good")
    page.get_by_role("option").first.wait_for()
    assert [] == faults(page)
