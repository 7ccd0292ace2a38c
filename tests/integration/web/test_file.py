"""File: a file is scored row by row, slower where the server sheds; its rows come back with the server's answers."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.integration.web.conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
expect = sync_api.expect

SCRIPT = "<img src=x onerror=\"document.title='run'\">"
TEXTS = [
    "A film I will watch again.",
    "Two hours that I will never get back.",
    "It was all right, I suppose.",
    "Soft chairs.",
]
DONE = '.file-state[data-state="done"]'


@pytest.fixture
def view(open_page: OpenPage, server: ServedArtifact) -> "Page":
    """Return the page with the file view."""
    page = open_page(f"{server.url}/#/file")
    expect(page.locator(".file-drop")).to_be_visible()
    return page


def choose(page: "Page", name: str, content: bytes) -> None:
    """Choose a file."""
    page.set_input_files("#file-input", {"name": name, "mimeType": "application/octet-stream", "buffer": content})


def score(page: "Page", name: str, content: bytes) -> None:
    """Choose a file, and have all its rows scored with the columns that the page guesses."""
    choose(page, name, content)
    page.get_by_role("button", name="Score all rows").click()
    expect(page.locator(DONE)).to_be_visible(timeout=60_000)


def table(rows: int) -> bytes:
    """Return a CSV with so many different texts."""
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow(["id", "text", "label"])
    writer.writerows([f"r{row}", f"{TEXTS[row % 4]} {row}", ("positive", "negative")[row % 2]] for row in range(rows))
    return sink.getvalue().encode()


def download(page: "Page", name: str) -> str:
    """Return the content of a download."""
    with page.expect_download() as begun:
        page.get_by_role("button", name=name).click()
    return Path(begun.value.path()).read_bytes().decode("utf-8-sig")


def test_ten_thousand_rows_stopped_half_way_and_continued(view: "Page", server: ServedArtifact) -> None:
    """A stop keeps what was answered; going on answers the rest; the download says what the API says."""
    released: list[int] = []

    def let_six_parts_pass(route: "Route") -> None:
        released.append(1)
        if len(released) == 7:
            view.get_by_role("button", name="Stop").dispatch_event("click")
        route.continue_()

    view.route("**/predict/stream", let_six_parts_pass)
    choose(view, "reviews.csv", table(10_000))
    view.get_by_role("button", name="Score all rows").click()
    expect(view.locator('.file-state[data-state="stopped"]')).to_be_visible(timeout=60_000)
    half = list(csv.DictReader(io.StringIO(download(view, "Download CSV"), newline="")))
    assert 0 < len(half) < 10_000
    view.unroute("**/predict/stream")
    view.get_by_role("button", name="Continue").click()
    expect(view.locator(DONE)).to_be_visible(timeout=120_000)
    rows = list(csv.DictReader(io.StringIO(download(view, "Download CSV"), newline="")))
    assert [f"r{row}" for row in range(10_000)] == [row["id"] for row in rows]
    assert {""} == {row["scored_error"] for row in rows}
    some = rows[::97]
    answers = httpx.post(f"{server.url}/predict/batch", json={"texts": [row["text"] for row in some]}).json()
    assert [(answer["label"], answer["probabilities"], answer["tokens"]) for answer in answers["predictions"]] == [
        (row["scored_label"], json.loads(row["scored_probabilities"]), int(row["scored_tokens"])) for row in some
    ]
    assert half == [row for row in rows if row["id"] in {row["id"] for row in half}]


def test_a_dropped_file_is_previewed_and_compared_with_its_gold_labels(view: "Page") -> None:
    """The guessed columns are shown; accuracy, matrix, label mix and histogram count the same rows."""
    view.evaluate(
        """(text) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([text], "dropped.csv"));
          const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true });
          document.querySelector(".file-drop").dispatchEvent(drop);
        }""",
        table(40).decode(),
    )
    assert ["1", "2", "0"] == [view.locator(f"#file-{key}").input_value() for key in ("text", "gold", "id")]
    view.get_by_role("button", name="Score all rows").click()
    expect(view.locator(DONE)).to_be_visible()
    cells = [int(cell) for cell in view.locator(".file-matrix td.number").all_text_contents()]
    assert 40 == sum(cells)
    right = view.locator(".file-figures dd").all_text_contents()
    assert f"{cells[0] + cells[3]} of 40" in right
    titles = view.locator(".file-histogram title").all_text_contents()
    assert 40 == sum(int(title.split(": ")[1].split(" ")[0]) for title in titles)


def test_parquet_is_scored(view: "Page") -> None:
    """The library for Parquet is loaded when such a file is chosen, and not before."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow writes the Parquet file")
    pq = pytest.importorskip("pyarrow.parquet")
    asked: list[str] = []
    view.on("request", lambda request: asked.append(request.url))
    sink = io.BytesIO()
    pq.write_table(pa.table({"sentence": TEXTS, "n": [2**60, 1, 2, None]}), sink)
    assert not any("hyparquet" in url for url in asked)
    score(view, "a.parquet", sink.getvalue())
    assert any("hyparquet" in url for url in asked)
    rows = [json.loads(line) for line in download(view, "Download JSON lines").splitlines()]
    assert TEXTS == [row["sentence"] for row in rows]
    assert "positive" == rows[0]["label"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "a.csv is empty: it has 0 bytes; choose a file with at least one row"),
        ("a.csv", b"\x89\x00\xffbinary\n", "is binary, not text: byte 1 is 0"),
        ("a.docx", b"PK", "is none of .csv, .tsv"),
        ("a.csv", b"text\ncaf\xe9\n", "byte 8 of the file (0xe9) is not UTF-8; set the encoding, often windows-1252"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(view: "Page", name: str, content: bytes, message: str) -> None:
    """The message names the value and the remedy, and another file can be chosen at once."""
    choose(view, name, content)
    expect(view.locator(".state.bad")).to_contain_text(message)
    choose(view, "good.csv", b"text\nFine.\n")
    expect(view.get_by_role("button", name="Score all rows")).to_be_enabled()


def test_an_encoding_is_set_where_the_file_is_not_utf8(view: "Page") -> None:
    """The remedy that the message names is a choice beside it."""
    choose(view, "a.csv", "text\nUn café très agréable.\n".encode("windows-1252"))
    view.locator("#file-encoding").select_option("windows-1252")
    expect(view.locator(".file-preview td")).to_have_text("Un café très agréable.")


def test_a_file_without_a_known_column_of_texts_asks_for_one(view: "Page") -> None:
    """Nothing is sent before the visitor has named the column; the message names those that there are."""
    choose(view, "a.jsonl", b'{"n": 1, "m": [1]}\n')
    expect(view.get_by_role("button", name="Score all rows")).to_be_disabled()
    expect(view.locator(".card [role=status]")).to_contain_text("the columns are n, m. Choose one.")


def test_texts_of_files_never_run_as_script(view: "Page") -> None:
    """Markup in file names, headers, cells, gold labels and reasons is shown as it is."""
    sink = io.StringIO(newline="")
    csv.writer(sink).writerows(
        [["text", SCRIPT, "label"], [f"Good {SCRIPT}", SCRIPT, SCRIPT], [" ", SCRIPT, "positive"], ["short"]]
    )
    score(view, f"{SCRIPT.replace('/', '')}.csv", sink.getvalue().encode())
    expect(view.locator("#file-run")).to_contain_text("<img src=x")
    expect(view.locator(".file-open").first).to_have_text(f"Good {SCRIPT}")
    view.locator(".file-open").first.click()
    expect(view.locator("dialog .file-whole")).to_have_text(f"Good {SCRIPT}")
    view.keyboard.press("Escape")
    view.get_by_role("button", name="Start the review").click()
    expect(view.locator(".file-review blockquote")).to_have_text(f"Good {SCRIPT}")
    assert 0 == view.locator("main img, dialog img").count()
    assert "File · Verdict" == view.title()


def test_rows_that_failed_stay_listed_with_their_reasons(view: "Page") -> None:
    """Blank texts, numbers and broken lines have reasons, in the table and in the download; the others are answered."""
    score(view, "a.jsonl", b'{"text": "Wonderful."}\n{"text": " "}\n{"text": 7}\n{broken\n{"text": "Dull."}\n')
    view.locator("#file-show").select_option("failed")
    expect(view.locator(".file-rows-body .file-row")).to_have_count(3)
    shown = view.locator(".file-open").all_text_contents()
    assert ["empty" in shown[0], "the text is 7 (number)" in shown[1], "not JSON" in shown[2]] == [True] * 3
    rows = [json.loads(line) for line in download(view, "Download JSON lines").splitlines()]
    assert ["positive", None, None, None, "negative"] == [row["label"] for row in rows]
    assert rows[1]["error"].startswith("invalid_request: ")


def test_the_page_slows_down_where_the_server_sheds_and_goes_on(view: "Page") -> None:
    """It says that the server is busy, sends smaller parts, and answers every row in the end."""
    sizes: list[int] = []

    def shed_twice(route: "Route") -> None:
        lines = (route.request.post_data or "").splitlines()
        sizes.append(len(lines))
        error = {"kind": "overloaded", "message": "the queue is full", "request_id": "1"}
        if len(sizes) == 1:
            route.fulfill(status=429, headers={"retry-after": "1"}, json={"error": error})
        elif len(sizes) == 2:
            answers = [{"id": json.loads(line)["id"], "error": error, "line": 1} for line in lines]
            route.fulfill(body="".join(json.dumps(answer) + "\n" for answer in answers))
        else:
            route.continue_()

    view.route("**/predict/stream", shed_twice)
    choose(view, "a.csv", table(1_200))
    view.get_by_role("button", name="Score all rows").click()
    expect(view.locator(".state.warn")).to_contain_text("The server is busy")
    expect(view.locator(DONE)).to_be_visible(timeout=60_000)
    assert ["1,200", "0"] == view.locator(".file-figures dd").all_text_contents()[:2]
    assert max(sizes[2:4]) <= 250


def test_a_review_by_keys_becomes_training_data(view: "Page", tmp_path: Path) -> None:
    """1 to 9 decide, S skips, U takes back; training's reader reads the file."""
    score(view, "a.csv", table(12))
    view.get_by_role("button", name="Start the review").click()
    expect(view.locator(".file-review")).to_be_focused()
    texts = []
    for key, place in (("1", 1), ("s", 2), ("2", 3), ("u", 2), ("1", 3)):
        texts.append(view.locator(".file-review blockquote").text_content())
        view.keyboard.press(key)
        expect(view.locator("#file-review + span")).to_have_text(f"{place} of 12 rows")
    assert texts[2] == texts[4]
    file = tmp_path / "reviewed.jsonl"
    file.write_text(download(view, "of training data"))
    reading = pytest.importorskip("training.reading")
    rows = [(row.text, row.label) for row in reading.parse_file(str(file)).read().rows]
    assert [(texts[0], "negative"), (texts[4], "negative")] == rows


def test_rows_are_sorted_searched_and_shown_while_scrolling(view: "Page") -> None:
    """Only the rows in sight are elements, whatever their number; the keyboard reaches and opens them."""
    score(view, "a.csv", table(3_000))
    rows = view.locator(".file-rows-body .file-row")
    assert rows.count() < 60
    view.locator(".file-rows").evaluate("(view) => { view.scrollTop = view.scrollHeight; }")
    expect(rows.last.locator(".file-open")).to_have_text(f"{TEXTS[3]} 2999")
    view.get_by_role("button", name="Probability").click()
    expect(view.locator('[aria-sort="descending"]')).to_have_text("Probability")
    shares = [float(share.strip("<> %")) for share in rows.locator('[data-key="score"]').all_text_contents()]
    assert sorted(shares, reverse=True) == shares
    view.fill("#file-search", "CHAIRS. 19")
    expect(view.locator("#file-all + span")).to_have_text("29 of 3,000 rows")
    view.locator(".file-open").first.focus()
    view.keyboard.press("Enter")
    expect(view.locator("dialog .decision")).to_be_visible()


def test_a_server_that_never_answers_interrupts_the_run(view: "Page") -> None:
    """After some attempts the run is interrupted; continue sends what has no answer."""
    view.clock.install()
    view.route("**/predict/stream", lambda route: route.fulfill(body=""))
    choose(view, "a.csv", table(30))
    view.get_by_role("button", name="Score all rows").click()
    for _ in range(200):  # an attempt may still be under way when the clock goes on
        expect(view.locator(".state.warn, .state.bad")).to_be_visible()
        if view.locator(".state.bad").count():
            break
        view.clock.run_for(31_000)
    expect(view.locator(".state.bad")).to_contain_text("is it running?")
    view.unroute("**/predict/stream")
    view.get_by_role("button", name="Continue").click()
    view.clock.run_for(31_000)  # the pause after the last attempt
    expect(view.locator(DONE)).to_be_visible()
    assert "30" == view.locator(".file-figures dd").first.text_content()


def test_a_file_that_breaks_half_way_keeps_the_rows_before(view: "Page") -> None:
    """The message names the line; the rows that were read before are answered, and the run is not called done."""
    choose(view, "a.csv", table(9_000) + b'x,"open\n')
    view.get_by_role("button", name="Score all rows").click()
    expect(view.locator('.file-state[data-state="broken"]')).to_be_visible(timeout=60_000)
    expect(view.locator(".state.bad")).to_contain_text("a.csv line 9002: a quote opens a field that never ends")
    expect(view.get_by_role("button", name="Continue")).to_be_hidden()
    kept = download(view, "Download JSON lines").splitlines()
    assert [f"r{row}" for row in range(len(kept))] == [json.loads(row)["id"] for row in kept]
    assert 1_000 < len(kept) <= 9_000


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 844}}])
def test_a_phone_and_the_dark_scheme(open_page: OpenPage, server: ServedArtifact, options: Any) -> None:
    """Nothing is wider than the window, and the example rows are scored."""
    page = open_page(f"{server.url}/#/file", **options)
    page.get_by_role("button", name="Use example rows").click()
    page.get_by_role("button", name="Score all rows").click()
    expect(page.locator(DONE)).to_be_visible()
    page.get_by_role("button", name="Start the review").click()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
