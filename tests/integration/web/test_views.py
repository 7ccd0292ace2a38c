"""Compare, model, server and API: what they show is what the API says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from artifact.child import ServedArtifact
from artifact.manifest import load_artifact
from tests.integration.web.conftest import OpenPage
from tests.support.artifacts import copy_tiny, multi_label, of_pairs
from tests.support.process import ROOT, server_process

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
expect = sync_api.expect

QUOTED = """It's "bad" & $HOME `x` \\ dull\nand": true"""
MINUS = "\N{MINUS SIGN}"


def test_compare_shows_both_answers_and_what_changed(open_page: OpenPage, server: ServedArtifact) -> None:
    """The edit is marked word by word, the change of each label is that of the API, and a pin brings both back."""
    page = open_page(f"{server.url}/#/compare")
    texts = ["The film is good.", "The film is not good."]
    page.fill("#compare-before", texts[0])
    page.fill("#compare-after", texts[1])
    expect(page.locator(".diff ins")).to_have_text("not ")
    before, after = [
        httpx.post(f"{server.url}/predict", json={"text": text}).json()["probabilities"][1] for text in texts
    ]
    expect(page.locator(".changes li", has_text="positive")).to_contain_text(
        f"{MINUS}{100 * (before - after):.1f} points"
    )
    page.get_by_role("button", name="Pin this comparison").click()
    page.fill("#compare-after", "Something else.")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#compare-after")).to_have_value(texts[1])
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".pinned tbody tr")).to_have_count(0)


def test_model_shows_evaluation_calibration_and_card(open_page: OpenPage, server: ServedArtifact) -> None:
    """All that the artifact brings, with its own figures."""
    manifest = load_artifact(ROOT / "models/default").manifest
    page = open_page(f"{server.url}/#/model")
    expect(page.locator("#view-model h1")).to_have_text(manifest.name)
    page.get_by_role("button", name="Evaluation").click()
    rows = page.locator("#view-model tbody tr")
    expect(rows).to_have_count(len(manifest.evaluations))
    expect(rows.first).to_contain_text(f"{100 * (manifest.evaluations[0].accuracy or 0):.1f} %")
    page.get_by_role("button", name="Calibration").click()
    expect(page.locator(".reliability circle")).to_have_count(len(manifest.evaluations[0].reliability or ()))
    page.get_by_role("button", name="Card").click()
    expect(page.locator(".prose h2").first).to_have_text("verdict-minilm")
    expect(page.locator(".prose")).to_contain_text("There is no neutral class.")


def test_server_shows_what_was_answered_meanwhile(open_page: OpenPage) -> None:
    """Its figures grow with the requests of others; a hidden view asks nothing."""
    with server_process(ROOT / "models/default") as process:
        page = open_page(f"{process.url}/#/server")
        expect(page.locator(".chart")).to_have_count(4)
        httpx.post(f"{process.url}/predict/batch", json={"texts": ["good"] * 20}).raise_for_status()
        expect(page.locator(".tile").first).to_contain_text("20 texts since the start")
        expect(page.locator(".tile").first.locator(".line")).to_have_count(1)
        page.get_by_role("link", name="Try").click()
        expect(page.locator("#try-text")).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.fill("#try-text", "good")
        expect(page.locator(".decision")).to_be_visible()
        assert not any("metrics" in url for url in asked)


def test_every_call_to_copy_is_accepted_by_the_server(
    open_page: OpenPage, server: ServedArtifact, tmp_path: Path
) -> None:
    """The curl calls run as they stand, with a text full of quotes."""
    page = open_page(server.url)
    page.fill("#try-text", QUOTED)
    page.get_by_role("link", name="API").click()
    calls = page.get_by_role("group", name="Calls").get_by_role("button")
    expect(calls.first).to_be_visible()
    for index in range(calls.count()):
        calls.nth(index).click()
        expect(calls.nth(index)).to_have_attribute("aria-pressed", "true")
        code = page.locator("pre.code").text_content() or ""
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)  # noqa: S607
        assert done.stdout
        assert '"error"' not in done.stdout


@pytest.mark.parametrize(
    ("client", "package", "printed"),
    [
        ("Python", "requests", "'label': 'negative'"),
        ("InferenceClient", "huggingface_hub", "negative 0."),
        ("tritonclient", "tritonclient", "[[0."),
    ],
)
def test_every_client_runs_as_it_stands(
    open_page: OpenPage, server: ServedArtifact, client: str, package: str, printed: str
) -> None:
    """The code of each client, with a text that needs quoting in Python."""
    pytest.importorskip(package)
    page = open_page(server.url)
    page.fill("#try-text", QUOTED)
    page.get_by_role("link", name="API").click()
    page.get_by_role("button", name=client).click()
    expect(page.get_by_role("button", name=client)).to_have_attribute("aria-pressed", "true")
    code = page.locator("pre.code").text_content() or ""
    assert json.dumps(QUOTED) in code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed in done.stdout


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the URLs of servers with other heads."""
    folder = tmp_path_factory.mktemp("heads")
    with (
        server_process(multi_label(copy_tiny(folder / "multi"))) as multi,
        server_process(of_pairs(copy_tiny(folder / "pairs"))) as pairs,
    ):
        yield {"multi_label": multi.url, "pairs": pairs.url}


def test_a_multi_label_model_shows_each_label_with_its_threshold(open_page: OpenPage, heads: dict[str, str]) -> None:
    """Any number of labels is chosen."""
    page = open_page(heads["multi_label"])
    page.fill("#try-text", "good")
    answer = httpx.post(f"{heads['multi_label']}/predict", json={"text": "good"}).json()
    expect(page.locator(".bar.chosen")).to_have_count(len(answer["labels"]))
    expect(page.locator(".bar .threshold")).to_have_count(2)


def test_a_model_of_pairs_has_two_boxes(open_page: OpenPage, heads: dict[str, str]) -> None:
    """It answers once both have a text, and the tokens of both stand there."""
    page = open_page(heads["pairs"])
    page.get_by_label("First text").fill("good")
    expect(page.locator(".state.empty")).to_contain_text("Write two texts")
    page.get_by_label("Second text").fill("bad")
    expect(page.locator(".decision")).to_be_visible()
    expect(page.locator(".token:not(.special)")).to_have_text(["good", "bad"])


def test_a_hundred_labels_fit(open_page: OpenPage, page: "Page", server: ServedArtifact) -> None:
    """The ten most probable are shown first, all of them on demand."""
    labels = [f"label {index}" for index in range(100)]
    info = httpx.get(f"{server.url}/info").json()
    info["model"]["labels"] = labels
    answer = {
        "sentiment": 7,
        "label": "label 7",
        "probabilities": [0.001 * i for i in range(100)],
        "tokens": 3,
        "truncated": False,
    }
    page.route("**/info", lambda route: route.fulfill(json=info))
    page.route("**/predict", lambda route: route.fulfill(json=answer))
    page.reload()
    page.fill("#try-text", "good")
    expect(page.locator(".bar")).to_have_count(10)
    page.get_by_role("button", name="Show all 100 labels").click()
    expect(page.locator(".bar")).to_have_count(100)


def test_a_regression_shows_its_value(page: "Page", server: ServedArtifact) -> None:
    """A number, without bars of labels."""
    info = httpx.get(f"{server.url}/info").json()
    info["model"] |= {"problem": "regression", "labels": ["score"], "activation": "identity"}
    page.route("**/info", lambda route: route.fulfill(json=info))
    page.route("**/predict", lambda route: route.fulfill(json={"value": 3.25, "tokens": 3, "truncated": False}))
    page.reload()
    page.fill("#try-text", "good")
    expect(page.locator(".decision .words")).to_have_text("3.25")
    expect(page.locator(".bar")).to_have_count(0)
