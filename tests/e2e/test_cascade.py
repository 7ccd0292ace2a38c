"""The cascade in the real server: off unless asked for, and each answer can say where it is from."""

from pathlib import Path

import httpx

from tests.support.figures import read_figures
from tests.support.first_stages import tiny_with_first_stage
from tests.support.process import server_process

EASY, HARD = "good", "x good"
"""Of the first stage of the tests, which takes "good" for negative, the first is sure, the second not."""


def test_a_first_stage_answers_nothing_until_it_is_turned_on(tmp_path: Path) -> None:
    """The answer of the graph is the same byte for byte as without a first stage, and says so if asked."""
    directory = tiny_with_first_stage(tmp_path, least=0.999)
    with server_process() as plain, server_process(directory) as server:
        for body in ({"text": EASY}, {"text": EASY, "stage": True}):
            expected, answer = (httpx.post(f"{each.url}/predict", json=body) for each in (plain, server))
            assert expected.content == answer.content
    assert "graph" == answer.json()["stage"]
    assert "first-stage" not in answer.headers["server-timing"]


def test_easy_texts_are_answered_by_the_first_stage(tmp_path: Path) -> None:
    """Answers, header, metric and log say which stage has answered."""
    with server_process(tiny_with_first_stage(tmp_path, least=0.999), first_stage="on", log_format="json") as server:
        easy = httpx.post(f"{server.url}/predict", json={"text": EASY})
        both = httpx.post(f"{server.url}/predict/batch", json={"texts": [HARD, EASY], "stage": True})
        hard = httpx.post(f"{server.url}/predict", json={"text": HARD})
        figures = read_figures(httpx.get(f"{server.url}/metrics").content)
    assert {"sentiment", "label", "probabilities", "tokens", "truncated"} == set(easy.json())
    assert "negative" == easy.json()["label"]
    assert easy.headers["server-timing"].endswith(", first-stage;desc=1")
    first, second = both.json()["predictions"]
    assert ("graph", "first") == (first["stage"], second["stage"])
    assert {**easy.json(), "stage": "first"} == second
    assert {**hard.json(), "stage": "graph"} == first
    assert "first-stage" not in hard.headers["server-timing"]
    assert 2 == figures["verdict_first_stage_texts_total"]
    assert '"first_stage":1' in server.log


def test_an_artifact_without_a_first_stage_cannot_turn_it_on() -> None:
    """The message says how to make one."""
    with server_process(first_stage="on") as server:
        assert 1 == server.wait()
    assert "has no first stage; add one with python -m export.first_stage, or turn it off" in server.log
