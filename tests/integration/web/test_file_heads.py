"""File, with models of other heads: several labels, a value, two texts. The browser gets made-up answers of them."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from artifact.child import ServedArtifact
from tests.integration.web.conftest import OpenPage
from tests.integration.web.test_file import DONE, choose, download, expect

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

Answer = Callable[[dict[str, Any]], dict[str, Any]]
FACTS = {"tokens": 5, "truncated": False}
EMOTIONS = ["joy", "anger", "fear"]


def scored(page: "Page", url: str, model: dict[str, Any], answer: Answer, rows: list[list[str]]) -> None:
    """Let the page believe in a model, and have a file scored by it."""

    def give_info(route: "Route") -> None:
        reply = route.fetch()
        document = reply.json()
        document["model"].update(model)
        route.fulfill(response=reply, json=document)

    def give_answers(route: "Route") -> None:
        lines = [json.loads(line) for line in (route.request.post_data or "").splitlines()]
        route.fulfill(body="".join(json.dumps({"id": line["id"], **answer(line)}) + "\n" for line in lines))

    page.route("**/info", give_info)
    page.route("**/predict/stream", give_answers)
    page.goto(f"{url}/#/file")
    page.reload()
    sink = io.StringIO(newline="")
    csv.writer(sink).writerows(rows)
    choose(page, "a.csv", sink.getvalue().encode())
    page.get_by_role("button", name="Score all rows").click()
    expect(page.locator(DONE)).to_be_visible()


def test_several_labels_are_compared_and_corrected_one_by_one(open_page: OpenPage, server: ServedArtifact) -> None:
    """Precision and recall stand beside each label; keys mark labels, Enter confirms them; training gets a list."""

    def answer(line: dict[str, Any]) -> dict[str, Any]:
        chosen = line["text"].split("+") if line["text"] != "none" else []
        return {"labels": chosen, "probabilities": [0.81 if name in chosen else 0.2 for name in EMOTIONS], **FACTS}

    model = {"problem": "multi_label", "labels": EMOTIONS, "thresholds": [0.5, 0.5, 0.5]}
    rows = [["text", "label"], ["joy+anger", "anger|joy"], ["fear", "joy"], ["none", ""]]
    page = open_page(server.url)
    scored(page, server.url, model, answer, rows)
    assert "2 of 3" in page.locator(".file-figures dd").all_text_contents()
    cells = page.locator("table tr", has_text="joy").first.locator("td").all_text_contents()
    assert ["100.0 %", "50.0 %", "66.7 %", "2"] == cells
    labels = page.locator('.file-rows-body [data-key="label"]').all_text_contents()
    assert ["joy, anger", "fear", "no label"] == labels
    page.get_by_role("button", name="Start the review").click()
    text = page.locator(".file-review blockquote").text_content()
    page.keyboard.press("3")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#file-review + span")).to_have_text("1 of 3 rows")
    chosen = set(text.split("+")) ^ {"joy", "fear"} if text and text != "none" else {"joy", "fear"}
    record = json.loads(download(page, "of training data"))
    assert {"text": text, "label": [name for name in EMOTIONS if name in chosen]} == record


def test_values_have_a_histogram_and_errors(open_page: OpenPage, server: ServedArtifact) -> None:
    """A regression has no labels to filter or to review; its errors are those of the gold values."""
    values = {"low": -1.25, "middle": 0.5, "high": 3.123456}
    rows = [["text", "label"], ["low", "-1"], ["middle", "0.5"], ["high", "3"], ["high", "?"]]
    page = open_page(server.url)
    scored(
        page,
        server.url,
        {"problem": "regression", "labels": ["score"]},
        lambda line: {"value": values[line["text"]], **FACTS},
        rows,
    )
    figures = page.locator(".file-figures dd").all_text_contents()
    assert ["0.12", "0.16", "1.00", "3"] == figures[-4:]
    note = page.locator("section[aria-labelledby=file-gold] > p")
    assert "1 row left out: “?” is not a number." == note.text_content()
    assert 0 == page.get_by_role("button", name="Start the review").count() + page.locator("#file-label").count()
    written = [json.loads(line) for line in download(page, "Download JSON lines").splitlines()]
    assert [-1.25, 0.5, 3.123456, 3.123456] == [row["value"] for row in written]


def test_pairs_need_two_columns(open_page: OpenPage, server: ServedArtifact, tmp_path: Path) -> None:
    """Both texts are sent, shown and taken along; without a second column nothing is sent."""
    names = ["contradiction", "neutral", "entailment"]
    sent: list[dict[str, Any]] = []

    def answer(line: dict[str, Any]) -> dict[str, Any]:
        sent.append(line)
        return {"sentiment": 2, "label": "entailment", "probabilities": [0.1, 0.2, 0.7], **FACTS}

    model = {"problem": "single_label", "labels": names, "pairs": True}
    page = open_page(server.url)
    rows = [["premise", "hypothesis", "label"], ["A man plays.", "Music is made.", "2"]]
    scored(page, server.url, model, answer, rows)
    assert [{"id": 0, "text": "A man plays.", "text_pair": "Music is made."}] == sent
    page.get_by_role("button", name="Start the review").click()
    expect(page.locator(".file-review blockquote")).to_have_text(["A man plays.", "Music is made."])
    page.keyboard.press("2")
    file = tmp_path / "reviewed.jsonl"
    file.write_text(download(page, "of training data"))
    reading = pytest.importorskip("training.reading")
    (row,) = reading.parse_file(f"{file},text_pair=text_pair").read().rows
    assert ("A man plays.", "Music is made.", "neutral") == (row.text, row.text_pair, row.label)
    page.get_by_role("button", name="Score another file").click()
    choose(page, "b.csv", b"premise,x\na,b\n")
    expect(page.get_by_role("button", name="Score all rows")).to_be_disabled()
    expect(page.locator(".card [role=status]")).to_contain_text("second text")
