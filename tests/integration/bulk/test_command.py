"""The command: it scores files as the server would, and goes on after whatever ended it."""

import csv
import json
import signal
import sys
import time
from pathlib import Path

import httpx
import pytest
from pyarrow import parquet

from artifact.child import Child, ServedArtifact
from tests.support.artifacts import copy_tiny, multi_label, of_pairs
from tests.support.tables import words, write_json_lines, write_parquet
from tests.support.tiny import TINY

ROWS = 60_000


def bulk(*arguments: object, artifact: Path = TINY) -> Child:
    """Start the command, on the tiny artifact if no other is named."""
    return Child([sys.executable, "-m", "bulk", *map(str, arguments), "--artifact", artifact])


def run(*arguments: object, artifact: Path = TINY) -> tuple[int, str]:
    """Run the command; return its exit code and all that it wrote."""
    with bulk(*arguments, artifact=artifact) as child:
        return child.wait(), child.log


def wait_for_parts(output: Path, count: int) -> None:
    """Wait until so many parts have been scored."""
    deadline = time.monotonic() + 60
    while len(list(output.glob("_bulk/parts/*/*.parquet"))) < count:
        assert time.monotonic() < deadline, "no part appeared"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a table that takes long enough to be interrupted."""
    return write_parquet(tmp_path / "in.parquet", {"id": list(range(ROWS)), "text": words(ROWS)}, row_group_size=7000)


def ids(output: Path) -> list[int]:
    """Return the rows of a scored table."""
    return [int(value) for value in parquet.read_table(output)["id"].to_pylist()]


def test_scores_are_bit_for_bit_those_of_the_server(tmp_path: Path) -> None:
    """Of texts that fit, are cut, are unknown or occur twice."""
    texts = [*words(250), "good " * 40, "👍 a", "good " * 40]
    source = write_json_lines(tmp_path / "in.jsonl", [{"text": text} for text in texts])
    assert 0 == run(source, "--output", tmp_path / "out", "--format", "jsonl", "--probabilities")[0]
    rows = [json.loads(line) for line in (tmp_path / "out" / "in.jsonl").read_text().splitlines()]
    with ServedArtifact(TINY) as server, httpx.Client(base_url=server.url) as client:
        answers = client.post("/predict/batch", json={"texts": texts}).raise_for_status().json()["predictions"]
    for row, answer in zip(rows, answers, strict=True):
        assert answer["probabilities"] == row["probabilities"]
        assert (answer["label"], answer["tokens"], answer["truncated"]) == (
            row["label"],
            row["tokens"],
            row["truncated"],
        )


@pytest.mark.parametrize(("suffix", "format_"), [("jsonl", "jsonl"), ("csv", "parquet"), ("parquet", "csv")])
def test_pairs_are_scored_as_the_server_scores_them(tmp_path: Path, suffix: str, format_: str) -> None:
    """The second text's column is named, or called ``text_pair``; every format of input and output knows pairs."""
    artifact = of_pairs(copy_tiny(tmp_path / "artifact"))
    texts, pairs = words(40), words(80)[40:]
    source = tmp_path / f"in.{suffix}"
    if suffix == "parquet":
        write_parquet(source, {"text_pair": pairs, "text": texts})
    elif suffix == "jsonl":
        write_json_lines(source, [{"a": one, "b": other} for one, other in zip(texts, pairs, strict=True)])
    else:
        rows = zip(texts, pairs, strict=True)
        source.write_text("a,b\n" + "".join(f"{one},{other}\n" for one, other in rows))
    named = [] if suffix == "parquet" else ["--text", "a", "--text-pair", "b"]
    code, said = run(source, "--output", tmp_path / "out", "--format", format_, *named, artifact=artifact)
    assert 0 == code, said
    with ServedArtifact(artifact) as server, httpx.Client(base_url=server.url) as client:
        body = {"texts": texts, "text_pairs": pairs}
        answers = client.post("/predict/batch", json=body).raise_for_status().json()["predictions"]
    output = tmp_path / "out" / f"in.{format_}"
    if format_ == "parquet":
        rows_out = parquet.read_table(output).to_pylist()
    else:
        content = output.read_text()
        rows_out = (
            [*csv.DictReader(content.splitlines())] if format_ == "csv" else list(map(json.loads, content.splitlines()))
        )
    assert [answer["label"] for answer in answers] == [row["label"] for row in rows_out]
    assert [max(answer["probabilities"]) for answer in answers] == [float(row["score"]) for row in rows_out]


@pytest.mark.parametrize("format_", ["parquet", "jsonl", "csv"])
def test_a_multi_label_model_writes_the_chosen_labels(tmp_path: Path, format_: str) -> None:
    """The columns are those of the head, and the report counts each label."""
    artifact = multi_label(copy_tiny(tmp_path / "artifact"))
    source = write_json_lines(tmp_path / "in.jsonl", [{"text": text} for text in ("good", "good bad", "a", "")])
    code, said = run(source, "--output", tmp_path / "out", "--format", format_, artifact=artifact)
    assert 0 == code, said
    output = tmp_path / "out" / f"in.{format_}"
    if format_ == "parquet":
        rows = parquet.read_table(output).to_pylist()
    elif format_ == "csv":
        rows = [
            row | {"labels": json.loads(row["labels"] or "null")}
            for row in csv.DictReader(output.read_text().splitlines())
        ]
    else:
        rows = list(map(json.loads, output.read_text().splitlines()))
    assert [["positive"], ["negative", "positive"], ["positive"], None] == [row["labels"] for row in rows]
    assert ["text", "labels", "probabilities", "tokens", "truncated", "unknown", "error"] == list(rows[0])
    assert {"positive": 3, "negative": 1} == json.loads((tmp_path / "out" / "_report.json").read_text())["labels"]
    assert 0 == run(source, "--sample", 2, artifact=artifact)[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_goes_on_with_the_same_command(tmp_path: Path, table: Path, number: signal.Signals) -> None:
    """Every row is there once, and only what was missing is scored again."""
    output = tmp_path / "out"
    with bulk(table, "--output", output) as child:
        wait_for_parts(output, 3)
        child.signal(number)
        code = child.wait()
        said = child.log
    assert not (output / "in.parquet").exists()
    if number == signal.SIGINT:
        assert 130 == code
        assert "the same command goes on from there" in said
    code, said = run(table, "--output", output)
    assert 0 == code, said
    assert "rows were scored by an earlier run; going on from there" in said
    assert list(range(ROWS)) == ids(output / "in.parquet")
    report = json.loads((output / "_report.json").read_text())
    assert ROWS == report["rows"] > report["scored_by_this_run"]["rows"]
    assert ["_report.json", "in.parquet"] == sorted(path.name for path in output.iterdir())


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    """The same command again has nothing to do; with more inputs it scores what is new."""
    (tmp_path / "in").mkdir()
    first = write_parquet(tmp_path / "in" / "a.parquet", {"id": [1], "text": ["good"]})
    run(first.parent, "--output", tmp_path / "out")
    written_at = (tmp_path / "out" / "a.parquet").stat().st_mtime_ns
    code, said = run(first.parent, "--output", tmp_path / "out")
    assert (0, True) == (code, "every file is scored already" in said)
    write_parquet(tmp_path / "in" / "b.parquet", {"id": [2], "text": ["bad"]})
    assert 0 == run(first.parent, "--output", tmp_path / "out")[0]
    assert ([2], written_at) == (
        ids(tmp_path / "out" / "b.parquet"),
        (tmp_path / "out" / "a.parquet").stat().st_mtime_ns,
    )
    assert 2 == json.loads((tmp_path / "out" / "_report.json").read_text())["rows"]
    write_parquet(first, {"id": [1, 3], "text": ["good", "bad"]})
    code, said = run(first.parent, "--output", tmp_path / "out")
    assert (2, True) == (code, "has changed since it was scored" in said)
    assert 0 == run(first.parent, "--output", tmp_path / "out", "--overwrite")[0]
    assert [1, 3] == ids(tmp_path / "out" / "a.parquet")


def test_of_200_files_three_malformed_ones_are_named_and_197_scored(tmp_path: Path) -> None:
    """With the row and the reason; the exit code says that not all is there."""
    folder = tmp_path / "in"
    folder.mkdir()
    wrong = {40: "id,text\n1,good\n2\n", 41: 'id,text\n1,"good\n', 42: "id,text\n1,good,more\n"}
    for number in range(200):
        (folder / f"{number:03}.csv").write_text(wrong.get(number, f"id,text\n{number},good\n"))
    code, said = run(folder, "--output", tmp_path / "out")
    assert 1 == code
    assert 197 == len(list((tmp_path / "out").glob("*.parquet")))
    refused = json.loads((tmp_path / "out" / "_report.json").read_text())["refused"]
    assert ["line 3 has 1 fields", "line 2: the quotes", "line 2 has 3 fields"] == [
        next(
            part
            for part in ("line 3 has 1 fields", "line 2: the quotes", "line 2 has 3 fields")
            if part in one["reason"]
        )
        for one in refused
    ]
    assert all(one["reason"].split(" line")[0] in said.replace("\n", "") for one in refused)
    (folder / "040.csv").write_text("id,text\n1,good\n")
    (folder / "041.csv").unlink()
    (folder / "042.csv").unlink()
    assert 0 == run(folder, "--output", tmp_path / "out")[0]
    assert not (tmp_path / "out" / "_bulk").exists()


def test_rows_without_a_text_get_an_error_and_the_others_scores(tmp_path: Path) -> None:
    """Or the first of them ends the run."""
    source = write_parquet(tmp_path / "in.parquet", {"id": [1, 2, 3, 4], "text": ["good", None, " ", "a" * 30]})
    code, said = run(source, "--output", tmp_path / "out", "--max-chars", 20, "--format", "csv")
    assert (0, True) == (code, "4, 3 with an error" in said)
    with (tmp_path / "out" / "in.csv").open(newline="") as stream:
        errors = [row["error"] for row in csv.DictReader(stream)]
    assert ["", "the text is null", "the text is empty", "the text has 30 characters, at most 20 are read"] == errors
    code, said = run(source, "--output", tmp_path / "stopped", "--on-error", "stop")
    assert (1, True) == (code, "in.parquet row 2, column 'text': the text is null" in said)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--output FOLDER is missing"),
        (["--output", "{folder}/out", "--text", "body"], "has no column 'body'"),
        (["--output", "{folder}/out", "--text-pair", "id"], "reads single texts, no pairs"),
        (["--output", "{folder}"], "would replace its input"),
        (["--output", "{folder}/out", "--max-chars", "0"], "--max-chars must be 1 or more"),
    ],
)
def test_a_wrong_command_line_ends_with_2_before_anything_is_written(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    """One line says what is wrong."""
    source = write_parquet(tmp_path / "in.parquet", {"id": [1], "text": ["good"]})
    code, said = run(source, *(argument.format(folder=tmp_path) for argument in arguments))
    assert (2, True) == (code, message in said)
    assert ["in.parquet"] == [path.name for path in tmp_path.iterdir()]


def test_an_artifact_that_is_missing_ends_with_1(tmp_path: Path) -> None:
    """The message says what to do."""
    source = write_parquet(tmp_path / "in.parquet", {"text": ["good"]})
    with Child([sys.executable, "-m", "bulk", source, "--output", tmp_path / "o", "--artifact", tmp_path]) as child:
        assert 1 == child.wait()
        assert "manifest.json is missing; export one there" in child.log


def test_a_dry_run_and_a_sample_write_nothing(tmp_path: Path) -> None:
    """They print what a run would take, and what it would say."""
    source = write_parquet(tmp_path / "in.parquet", {"text": words(5000)})
    code, said = run(source, "--dry-run", "--price", "0.05", "--vcpus", "16", "--sample", "3")
    assert 0 == code, said
    for part in ("1,000 rows", "about 5,000", "16 vCPUs", "cost", "positive"):
        assert part in said
    assert ["in.parquet"] == [path.name for path in tmp_path.iterdir()]
