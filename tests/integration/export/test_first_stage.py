"""A first stage is learned from an artifact's own answers, and a server answers easy texts by it."""

import json
import random
from pathlib import Path

import httpx
import pytest

pytest.importorskip("torch")
from artifact.manifest import load_artifact
from export.evaluate.__main__ import main as evaluate
from export.first_stage.__main__ import main
from tests.support.artifacts import copy_tiny, edit_manifest
from tests.support.process import server_process
from tests.support.tiny import TINY

pytestmark = pytest.mark.development


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 4,000 texts of the tiny model's words; most are plainly good or plainly bad."""
    draw = random.Random(1)  # noqa: S311 - not cryptography
    lines = {
        " ".join([draw.choice(("good", "bad"))] * draw.randint(1, 6) + draw.choices("abcdefgh", k=draw.randint(0, 6)))
        for _ in range(20_000)
    }
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("".join(line + "\n" for line in sorted(lines)[:4000]))
    return path


def test_a_server_answers_easy_texts_by_the_first_stage(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nearly all answers stay, those of the graph to the last bit; the card says what was measured."""
    assert 0 == main([str(TINY), "--data", str(texts), "--loss", "2", "--output", str(tmp_path / "cascade")])
    assert "answered by the first stage" in capsys.readouterr().out
    artifact = load_artifact(tmp_path / "cascade")
    model = artifact.manifest.first_stage
    assert model is not None
    assert sum(threshold.answered for threshold in model.thresholds) > 100
    card = (tmp_path / "cascade" / "README.md").read_text()
    assert 1 == card.count("## First stage")
    labelled = tmp_path / "labelled.csv"
    rows = [line for line in texts.read_text().splitlines() if ("good" in line) != ("bad" in line)][::10]
    labelled.write_text(
        "text,label\n" + "".join(f"{row},{'positive' if 'good' in row else 'negative'}\n" for row in rows)
    )
    assert 0 == evaluate([str(tmp_path / "cascade"), "--data", f"words:test={labelled}"])
    (details,) = json.loads((tmp_path / "cascade" / "report" / "evaluation.json").read_text())
    assert "all texts" == details["cascade"]["subsets"][0]["name"]
    assert details["cascade"]["subsets"][0]["answered"] > 0
    assert "answered by it" in (tmp_path / "cascade" / "README.md").read_text()
    asked = [*texts.read_text().splitlines()[::20], "unheard good", "a b unheard"]
    with server_process(TINY) as server:
        before = _ask(server.url, asked)
    with server_process(tmp_path / "cascade", first_stage="on") as server:
        after = _ask(server.url, asked)
    with server_process(tmp_path / "cascade") as server:
        off = _ask(server.url, asked)
    assert before == off
    stages = [answer["stage"] for answer in after]
    assert {"first", "graph"} == set(stages)
    for one, other in zip(before, after, strict=True):
        if other["stage"] == "graph":
            assert one == other
    assert sum(one["label"] == other["label"] for one, other in zip(before, after, strict=True)) >= 0.95 * len(asked)


def test_an_artifact_gets_another_first_stage_in_place_of_its_own(texts: Path, tmp_path: Path) -> None:
    """Without --output the artifact is replaced, and it has one section and one file of it however often."""
    directory = copy_tiny(tmp_path / "artifact")
    for _ in range(2):
        assert 0 == main([str(directory), "--data", str(texts), "--loss", "2"])
    assert 1 == (directory / "README.md").read_text().count("## First stage")
    assert 1 == [file.path for file in load_artifact(directory).manifest.files].count("first_stage.npy")


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        pytest.param(
            "good\n", [], "1 texts are too few to learn from; give tens of thousands, at least 100", id="one text"
        ),
        pytest.param("good\n", ["--cues", "nowhere.txt"], "nowhere.txt cannot be read", id="no cues"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    lines: str, options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The artifact stays as it was."""
    path = tmp_path / "texts.txt"
    path.write_text(lines)
    directory = copy_tiny(tmp_path / "artifact")
    before = (directory / "manifest.json").read_bytes()
    assert 1 == main([str(directory), "--data", str(path), *options])
    assert message in capsys.readouterr().err.replace("\n", " ")
    assert before == (directory / "manifest.json").read_bytes()


def test_a_model_of_pairs_is_refused_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A linear model of single texts could not answer it."""

    def edit(document: dict[str, object]) -> None:
        document.update(schema_version=2, pairs=True)
        document["probes"] = [{**document["probes"][0], "text_pair": "bad"}]  # type: ignore[index]

    directory = edit_manifest(copy_tiny(tmp_path), edit)
    assert 1 == main([str(directory), "--data", str(tmp_path / "none.txt")])
    assert "reads pairs" in capsys.readouterr().err


def _ask(url: str, texts: list[str]) -> list[dict[str, object]]:
    reply = httpx.post(f"{url}/predict/batch", json={"texts": texts, "stage": True}, timeout=60)
    assert 200 == reply.status_code
    predictions: list[dict[str, object]] = reply.json()["predictions"]
    return predictions
