"""What the page keeps of a file's answers, and what it says about them, in Chromium."""

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.reading.labels import match_labels
from training.reading.rows import Columns, DataError, Row, TextTable
from training.reading.source import parse_file

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.development

_HEAD = {"problem": "single_label", "labels": ["negative", "neutral", "positive"]}
_BATCH = """
async ({ name, content, choice, head, answers }) => {
  const { openSource } = await import("/js/file/source.js");
  const { Batch } = await import("/js/file/batch.js");
  const download = await import("/js/file/download.js");
  const measures = await import("/js/file/measures.js");
  const { arrange } = await import("/js/file/order.js");
  const { leastCertain, ReviewQueue, trainingLine } = await import("/js/file/review.js");
  const { guessColumns } = await import("/js/file/columns.js");
  const source = await openSource(new File([content], name));
  const first = (await source.batches().next()).value.rows.map(({ values }) => values);
  const send = async (lines, { onAnswer }) => lines.forEach((line) => {
    const answer = answers[line.text] ?? answers["*"];
    onAnswer(answer.error ? { id: line.id, error: answer.error } : { id: line.id, ...answer });
  });
  const guessed = guessColumns(source.columns, first, false);
  const batch = new Batch(source, { ...guessed, ...choice }, head, send, () => {});
  await batch.start();
  const { table } = batch;
  const rows = [];
  for (let row = 0; row < table.length; row += 1) {
    rows.push({ ...download.addedValues(table, row), gold: table.gold(row), text: (await batch.texts.get(row)).text });
  }
  const queue = new ReviewQueue(head.problem === "regression" ? [] : leastCertain(table, 3));
  const order = [...queue.rows];
  queue.decide([1]); queue.decide(null); queue.decide([0]); queue.undo(); queue.decide([2]);
  const lines = [];
  for (const { row, labels } of queue.decided) {
    lines.push(trainingLine(await batch.texts.get(row), labels, head, false));
  }
  return {
    guessed, rows, order, training: lines.join(""), place: queue.place, counts: table.counts,
    strangers: [...batch.strangers],
    mix: measures.labelMix(table),
    histogram: measures.histogram(table, 4).counts,
    confusion: head.problem === "single_label" ? measures.confusion(table) : null,
    agreement: head.problem === "multi_label" ? measures.agreement(table) : null,
    deviation: head.problem === "regression" ? measures.deviation(table) : null,
    sorted: [...arrange(table, { show: "all", label: -1, found: null }, { by: "score", descending: true })],
    wrong: [...arrange(table, { show: "wrong", label: -1, found: null }, { by: "number", descending: false })],
    searched: [
      ...arrange(table, { show: "all", label: -1, found: await batch.texts.search("FINE") }, { by: "number" }),
    ],
    csv: await (await download.collect(download.csvLines(source, table), "text/csv")).text(),
    jsonl: await (await download.collect(download.jsonLines(source, table), "application/jsonl")).text(),
  };
}
"""


def score(page: "Page", name: str, content: str, answers: dict[str, Any], **options: Any) -> Any:
    """Return all that the page knows of a file that a server answers so; ``*`` stands for other texts."""
    call = {"name": name, "content": content, "choice": options.get("choice", {})}
    return page.evaluate(_BATCH, {**call, "head": options.get("head", _HEAD), "answers": answers})


def answer(sentiment: int, *probabilities: float, **more: Any) -> dict[str, Any]:
    """Return a native answer of the model of three labels."""
    label = _HEAD["labels"][sentiment]
    return {
        "sentiment": sentiment,
        "label": label,
        "probabilities": probabilities,
        "tokens": 4,
        "truncated": False,
        **more,
    }


_ANSWERS = {
    "good": answer(2, 0.1, 0.2, 0.7),
    "bad": answer(0, 0.987654, 0.000001, 0.012345),
    "fine": answer(1, 0.3, 0.36, 0.34, truncated=True, unknown=2),
    "*": {"error": {"kind": "invalid_request", "message": "the text is empty"}},
}
_CSV = "id,review,label\na,good,positive\nb,bad,Negative\nc,fine,2\nd, ,neutral\ne,=1+1,maybe\n"


def test_answers_reasons_and_gold_labels_stand_beside_their_rows(modules: "Page") -> None:
    """Probabilities keep their six digits; gold labels match by name, case and index; unknown ones are counted."""
    result = score(modules, "a.csv", _CSV, _ANSWERS)
    assert {"text": 1, "textPair": -1, "id": 0, "gold": 2} == result["guessed"]
    assert ["positive", "negative", "neutral", None, None] == [row["label"] for row in result["rows"]]
    assert [[2], [0], [2], [1], None] == [row["gold"] for row in result["rows"]]
    assert [0.987654, 0.000001, 0.012345] == result["rows"][1]["probabilities"]
    assert [0.7, 0.987654, 0.36, None, None] == [row["score"] for row in result["rows"]]
    assert "invalid_request: the text is empty" == result["rows"][3]["error"]
    assert [["maybe", 1]] == result["strangers"]
    assert {"answered": 3, "failed": 2, "truncated": 1, "gold": 4} == result["counts"]


def test_the_measures_count_answers_alone(modules: "Page") -> None:
    """Mix, histogram, confusion matrix and accuracy leave rows out that failed or have no gold label."""
    result = score(modules, "a.csv", _CSV, _ANSWERS)
    assert [1, 1, 1] == result["mix"]
    assert [0, 1, 1, 1] == result["histogram"]
    assert [[1, 0, 0], [0, 0, 0], [0, 1, 1]] == result["confusion"]["matrix"]
    assert (3, 2) == (result["confusion"]["rows"], result["confusion"]["right"])
    assert pytest.approx((1 + 0 + 2 / 3) / 3) == result["confusion"]["macroF1"]


def test_rows_are_sorted_filtered_and_searched(modules: "Page") -> None:
    """Rows without an answer stand last; the search ignores case."""
    result = score(modules, "a.csv", _CSV, _ANSWERS)
    assert [1, 0, 2, 3, 4] == result["sorted"]
    assert [2] == result["wrong"]
    assert [2] == result["searched"]


def test_the_csv_is_safe_in_a_spreadsheet_and_complete(modules: "Page") -> None:
    """Python reads all fields back; a formula, and no number, has an apostrophe; a taken name is avoided."""
    content = 'text,label,n\n"good",x,-1.5\n"=cmd|\'/c calc\'!A0",@y,+3\n"-\n""q""",\t,1e5\n'
    result = score(modules, "a.csv", content, _ANSWERS)
    rows = list(csv.reader(io.StringIO(result["csv"].removeprefix("\ufeff"), newline=""), strict=True))
    added = ["label", "score", "probabilities", "tokens", "truncated", "unknown", "error"]
    assert ["text", "label", "n", *(f"scored_{name}" for name in added)] == rows[0]
    assert ["good", "x", "-1.5", "positive", "0.7", "[0.1,0.2,0.7]", "4", "false", "0", ""] == rows[1]
    assert ["'=cmd|'/c calc'!A0", "'@y", "+3"] == rows[2][:3]
    assert ['\'-\n"q"', "'\t", "1e5"] == rows[3][:3]
    assert "invalid_request: the text is empty" == rows[3][-1]


def test_json_lines_keep_the_objects_as_they_were_written(modules: "Page") -> None:
    """Digits beyond a double, escapes and the order of keys stay; new keys stand behind them."""
    lines = [
        '{"text": "good", "id": 12345678901234567890, "x": 1.50, "e": "\\u00e9"}',
        '{"text": 5}',
        "{broken",
        '{"a": {}, "text": "bad" }',
    ]
    result = score(modules, "a.jsonl", "\n".join(lines), _ANSWERS)
    written = result["jsonl"].splitlines()
    assert written[0].startswith(lines[0][:-1] + ', "label":"positive","score":0.7,')
    assert written[3].startswith('{"a": {}, "text": "bad", "label":"negative"')
    records = [json.loads(line) for line in written]
    assert 'unreadable: column "text": the text is 5 (number); correct the row or remove it' == records[1]["error"]
    assert ("{broken", None) == (records[2]["unreadable"], records[2]["label"])


def test_reviewed_rows_are_data_that_training_reads(modules: "Page", tmp_path: "Path") -> None:
    """The least certain rows come first; decisions can be undone and rows skipped; training's reader takes the file."""
    result = score(modules, "a.csv", _CSV, _ANSWERS)
    assert [2, 0, 1] == result["order"]
    assert 3 == result["place"]
    file = tmp_path / "reviewed.jsonl"
    file.write_text(result["training"])
    assert [("fine", "neutral"), ("bad", "positive")] == [
        (row.text, row.label) for row in parse_file(str(file)).read().rows
    ]


def test_a_multi_label_model(modules: "Page") -> None:
    """Each row has any number of labels; gold labels come as a list or as text, and all must agree."""
    head = {"problem": "multi_label", "labels": ["toxic", "insult"]}
    more = {"tokens": 3, "truncated": False}
    answers = {
        "a": {"labels": ["toxic", "insult"], "probabilities": [0.9, 0.6], **more},
        "b": {"labels": [], "probabilities": [0.4, 0.1], **more},
    }
    rows = [
        {"text": "a", "labels": ["insult", "toxic"]},
        {"text": "b", "labels": "toxic|insult"},
        {"text": "b", "labels": []},
    ]
    content = "\n".join(json.dumps(row) for row in rows)
    result = score(modules, "a.jsonl", content, answers, head=head)
    assert [["toxic", "insult"], [], []] == [row["labels"] for row in result["rows"]]
    assert [[0, 1], [0, 1], []] == [row["gold"] for row in result["rows"]]
    assert [1, 1] == result["mix"]
    assert (3, 2) == (result["agreement"]["rows"], result["agreement"]["right"])
    assert [(1, 2, 1), (1, 2, 1)] == [
        (each["hits"], each["gold"], each["given"]) for each in result["agreement"]["labels"]
    ]
    assert '"label":["insult"]' in result["training"]


def test_a_regression(modules: "Page") -> None:
    """Values keep all digits; errors and correlation are those of the textbook."""
    answers = {
        str(n): {"value": value, "tokens": 3, "truncated": False} for n, value in enumerate([1.123456, -2.5, 4e7])
    }
    content = "text,label\n0,1\n1,-2\n2,40000001\n"
    head = {"problem": "regression", "labels": []}
    result = score(modules, "a.csv", content, answers, head=head)
    assert [1.123456, -2.5, 4e7] == [row["value"] for row in result["rows"]]
    assert pytest.approx((0.123456 + 0.5 + 1) / 3) == result["deviation"]["meanError"]
    assert pytest.approx(1.0) == result["deviation"]["correlation"]
    assert 3 == sum(result["histogram"])


_MATCH = """
async (cases) => {
  const { matchLabel, nameOf } = await import("/js/file/columns.js");
  return cases.map(([label, labels]) => matchLabel(nameOf(label), labels));
}
"""
_NAMES = ["up", "Up", "down", "1 star", "2 stars", "LABEL_0", "LABEL_1", "0", "1", "2"]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["up", "UP", "down", " down", "0", "1", 1, 2.0, "2", "label_1", "other", -1]),
            st.lists(st.sampled_from(_NAMES), min_size=2, max_size=4, unique=True),
        ),
        min_size=20,
        max_size=40,
    )
)
def test_a_gold_label_is_matched_as_training_matches_it(modules: "Page", cases: list[tuple[Any, list[str]]]) -> None:
    """Where the page finds a label for one row, training's reader finds the same; where it finds none, neither does."""
    assert [_python_match(label, labels) for label, labels in cases] == modules.evaluate(_MATCH, cases)


def _python_match(label: str | float, labels: list[str]) -> int:
    value = int(label) if isinstance(label, float) else label
    table = TextTable("a.csv", "line", Columns(), [Row(1, "x", value)])
    try:
        return match_labels(table, labels)[0]
    except DataError:
        return -1


def test_a_hundred_thousand_rows_are_kept_in_little_memory(modules: "Page") -> None:
    """The columns of a model of two labels take at most 8 MB for 100,000 rows; texts are outside the heap."""
    bytes_ = modules.evaluate(
        """
        async () => {
          const { ScoreTable } = await import("/js/file/scores.js");
          const table = new ScoreTable({ problem: "single_label", labels: ["negative", "positive"] });
          for (let row = 0; row < 100_000; row += 1) {
            const answer = { sentiment: 1, probabilities: [0.25, 0.75], tokens: 9, truncated: false };
            table.answer(table.add(row + 2, 1), answer);
          }
          return table.bytes;
        }
        """
    )
    assert bytes_ <= 8e6
