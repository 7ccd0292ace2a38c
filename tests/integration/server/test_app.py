"""The application over the real runtime: HTTP responses contain the model's predictions."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.manifest import ArtifactError
from server.app import create_app
from server.http.dependencies import get_classifier
from tests.support.artifacts import copy_tiny, edit_manifest, replace_file
from tests.support.classifiers import FakeClassifier
from tests.support.figures import read_figures
from tests.support.serving import check_error, make_settings, serving
from tests.support.tiny import HEAD_TOKENS, MAX_LENGTH, WORDS, logits

pytestmark = pytest.mark.anyio

ROOM = MAX_LENGTH - 2


def make_app(**changes: Any) -> FastAPI:
    """Return the application over the tiny artifact."""
    return create_app(make_settings(**changes))


def probabilities(words: Sequence[str]) -> list[float]:
    """Return what the tiny model says of words that fit, computed by hand."""
    powers = np.exp(np.array(logits(list(words)), dtype=np.float64))
    return [round(p, 6) for p in (powers / powers.sum()).tolist()]


def check_prediction(words: Sequence[str], prediction: dict[str, Any]) -> None:
    """Check all fields of a prediction for a text that fits."""
    expected = probabilities(words)
    assert pytest.approx(expected, abs=2e-6) == prediction["probabilities"]
    assert prediction["sentiment"] == int(np.argmax(prediction["probabilities"]))
    assert ("negative", "positive")[prediction["sentiment"]] == prediction["label"]
    assert (len(words) + 2, False) == (prediction["tokens"], prediction["truncated"])


TEXTS = st.lists(st.lists(st.sampled_from(WORDS[4:]), min_size=1, max_size=ROOM), min_size=1, max_size=12)


@settings(max_examples=20)
@given(texts=TEXTS)
async def test_every_text_gets_its_own_prediction(texts: list[list[str]]) -> None:
    """Alone, in a batch and among other callers, the probabilities match those computed by hand."""
    async with serving(make_app(inference_workers=2, max_batch_tokens=40)) as client:
        batch = client.post("/predict/batch", json={"texts": [" ".join(words) for words in texts]})
        alone = [client.post("/predict", json={"text": " ".join(words)}) for words in texts]
        together, *each = await asyncio.gather(batch, *alone)
    for words, prediction, answer in zip(texts, together.json()["predictions"], each, strict=True):
        check_prediction(words, prediction)
        assert prediction == answer.json()


@pytest.mark.parametrize(
    ("truncation", "kept", "truncated"),
    [
        ("head", ["good"] * ROOM, True),
        ("head_tail", ["good"] * HEAD_TOKENS + ["bad"] * (ROOM - HEAD_TOKENS), True),
        (None, ["good"] * HEAD_TOKENS + ["bad"] * (ROOM - HEAD_TOKENS), True),
    ],
)
async def test_a_long_text_is_read_as_asked(truncation: str | None, kept: list[str], truncated: bool) -> None:
    """A text that does not fit is reported as truncated, and its probabilities are those of its first part."""
    text = " ".join(["good"] * ROOM + ["bad"] * ROOM)
    async with serving(make_app()) as client:
        body = (await client.post("/predict", json={"text": text, "truncation": truncation})).json()
    assert (MAX_LENGTH, truncated) == (body["tokens"], body["truncated"])
    assert pytest.approx(probabilities(kept), abs=2e-6) == body["probabilities"]


async def test_a_text_read_by_windows_is_read_in_full() -> None:
    """No token is cut and all are counted: 28 tokens make three windows of 14, which begin at 0, 10 and 14."""
    text = " ".join(["good"] * ROOM + ["bad"] * ROOM)
    async with serving(make_app()) as client:
        body = (await client.post("/predict", json={"text": text, "truncation": "window"})).json()
    assert (2 * ROOM + 2, False) == (body["tokens"], body["truncated"])
    windows = logits(["good"] * 14), logits(["good"] * 4 + ["bad"] * 10), logits(["bad"] * 14)
    negative, positive = (sum(window[label] for window in windows) / 3 for label in (0, 1))
    assert pytest.approx(1 / (1 + np.exp(negative - positive)), abs=2e-6) == body["probabilities"][1]


async def test_times_are_told_in_milliseconds_with_microsecond_digits() -> None:
    """Server-Timing has the three stages, each with three digits behind the point."""
    async with serving(make_app()) as client:
        answer = await client.post("/predict", json={"text": "good"})
    stage = r"dur=\d+\.\d{3}"
    assert re.fullmatch(f"tokenize;{stage}, queue;{stage}, inference;{stage}", answer.headers["server-timing"]), (
        answer.headers["server-timing"]
    )


async def test_all_metrics_follow_the_requests() -> None:
    """Each request, text, run and prediction is counted once, and the queues of an idle server are empty."""
    async with serving(make_app()) as client:
        await client.post("/predict", json={"text": "good"})
        await client.post("/predict/batch", json={"texts": ["bad", "bad " * 40]})
        await client.post("/predict/batch", json={"texts": ["bad", ""]})
        figures = read_figures((await client.get("/metrics")).content)
    expected = {
        "requests_total{route=/predict,status=200}": 1,
        "requests_total{route=/predict/batch,status=200}": 1,
        "requests_total{route=/predict/batch,status=422}": 1,
        "texts_total{outcome=predicted}": 3,
        "predictions_total{label=positive}": 1,
        "predictions_total{label=negative}": 2,
        "truncated_texts_total": 1,
        "tokenize_seconds_count": 2,
        "batch_texts_sum": 3,
        "queue_depth_texts": 0,
        "queue_tokens": 0,
        "in_flight_texts": 0,
        "ready": 1,
        "model_info{name=tiny,quantization=fp32,version=1.0.0}": 1,
    }
    assert expected == {name: figures[f"verdict_{name}"] for name in expected}


async def test_an_overloaded_server_says_when_to_come_back() -> None:
    """A request that does not fit into the queue is refused whole, before tokenization if that is already certain."""
    async with serving(make_app(max_queue_tokens=300, max_batch_tokens=16)) as client:
        small = {"texts": [f"{a} {b}" for a in "abcdefgh" for b in "abcdefgh"]}
        answers = await asyncio.gather(*[client.post("/predict/batch", json=small) for _ in range(4)])
        refused = [answer for answer in answers if answer.status_code != 200]
        assert 1 <= len(refused) < 4
        for answer in refused:
            check_error(answer, 429, "overloaded")
            assert int(answer.headers["retry-after"]) >= 1
        huge = await client.post("/predict/batch", json={"texts": ["good bad"] * 100})
        check_error(huge, 413, "too_large")
        assert 200 == (await client.post("/predict", json={"text": "good"})).status_code


async def test_info_tells_what_was_measured() -> None:
    """The response has the manifest's facts, the batch size and the cost of runs on this machine."""
    async with serving(make_app()) as client:
        document = (await client.get("/info")).json()
    assert (16, "head_tail", "fp32") == tuple(
        document["model"][name] for name in ("max_length", "truncation", "quantization")
    )
    costs = document["runtime"]["run_ms_by_padded_tokens"]
    assert str(document["runtime"]["max_batch_tokens"]) in costs
    assert all(ms > 0 for ms in costs.values())


async def test_a_classifier_of_ones_own_is_served() -> None:
    """The application accepts any model that maps texts to predictions; it needs no artifact."""
    app = create_app(make_settings(artifact_dir=Path("nowhere")), FakeClassifier())
    async with serving(app) as client:
        body = (await client.post("/predict", json={"text": "a good film"})).json()
        info = (await client.get("/info")).json()
    assert {
        "sentiment": 1,
        "label": "positive",
        "probabilities": [0.125, 0.875],
        "tokens": 5,
        "truncated": False,
    } == body
    assert "fake" == info["model"]["name"]


async def test_the_classifier_can_be_overridden_as_a_dependency() -> None:
    """A FastAPI dependency override works: the override answers, and the artifact's model is not used."""
    app = make_app()
    override = FakeClassifier()
    app.dependency_overrides[get_classifier] = lambda: override
    async with serving(app) as client:
        body = (await client.post("/predict/batch", json={"texts": ["good", "bad"]})).json()
    assert [[0.125, 0.875], [0.75, 0.25]] == [p["probabilities"] for p in body["predictions"]]
    assert [["good", "bad"]] == [call[0] for call in override.calls]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.onnx", b"no graph", "onnxruntime can not load"),
        ("tokenizer.json", b"{}", "tokenizer.json can not be used"),
        ("tokenizer.json", b"no json", "tokenizer.json can not be used"),
    ],
)
def test_a_file_that_is_whole_and_wrong_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """A file with the right hash and the wrong content ends the start, as a damaged file does."""
    replace_file(copy_tiny(tmp_path), name, content)
    with pytest.raises(ArtifactError, match=words):
        make_app(artifact_dir=tmp_path)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        pytest.param({"pad_token_id": 10_000}, "can not be run", id="a padding id that the graph has no row for"),
        pytest.param({"head_tokens": 15}, "can not be used: head_tokens 15", id="a head that does not fit"),
        pytest.param(
            {"outputs": [{"name": "nothing", "dtype": "float32", "axes": ["batch", "labels"]}]},
            "can not be run|logits",
            id="an output that the graph does not have",
        ),
        pytest.param({"temperature": 50.0}, "known answer for 'good' wrong", id="another temperature"),
    ],
)
def test_a_manifest_that_does_not_fit_its_files_is_refused(tmp_path: Path, edit: dict[str, Any], words: str) -> None:
    """Errors that appear only at inference are found before the port opens."""
    edit_manifest(copy_tiny(tmp_path), lambda manifest: manifest.update(edit))
    with pytest.raises(ArtifactError, match=words):
        make_app(artifact_dir=tmp_path)


def test_more_labels_than_the_graph_has_are_refused(tmp_path: Path) -> None:
    """A manifest with a third label for a graph with two is detected by its known answer."""
    probe = {"text": "good", "probabilities": [0.1, 0.2, 0.7], "reference": [0.1, 0.2, 0.7]}
    edit_manifest(copy_tiny(tmp_path), lambda m: m.update(labels=["a", "b", "c"], probes=[probe]))
    with pytest.raises(ArtifactError, match="3 labels"):
        make_app(artifact_dir=tmp_path)


async def reload(client: httpx.AsyncClient, key: str = "one") -> httpx.Response:
    """Ask for a reload with a key."""
    return await client.post("/admin/reload", headers={"x-api-key": key})


async def test_a_reload_takes_over_without_a_failed_request(tmp_path: Path) -> None:
    """Requests before, during and after the reload are answered; the new version is then served and shown."""
    copy_tiny(tmp_path)
    app = make_app(artifact_dir=tmp_path, api_key="one")
    async with serving(app) as client:
        client.headers["x-api-key"] = "one"
        edit_manifest(tmp_path, lambda manifest: manifest.update(version="2.0.0"))
        asked = [client.post("/predict", json={"text": "good"}) for _ in range(20)]
        answer, *answers = await asyncio.gather(reload(client), *asked)
        assert {"name": "tiny", "version": "2.0.0", "previous_version": "1.0.0"} == answer.json()
        assert {200} == {answer.status_code for answer in answers}
        assert "2.0.0" == (await client.get("/info")).json()["model"]["version"]
        figures = read_figures((await client.get("/metrics")).content)
    assert ["verdict_model_info{name=tiny,quantization=fp32,version=2.0.0}"] == [
        name for name in figures if "model_info" in name
    ]


async def test_a_reload_that_fails_changes_nothing(tmp_path: Path) -> None:
    """A damaged artifact is refused with the reason, and the old model continues to serve."""
    copy_tiny(tmp_path)
    async with serving(make_app(artifact_dir=tmp_path, api_key="one")) as client:
        (tmp_path / "model.onnx").write_bytes(b"")
        check_error(await reload(client), 409, "reload_failed")
        answer = await client.post("/predict", json={"text": "good"}, headers={"x-api-key": "one"})
    assert 200 == answer.status_code


async def test_an_open_server_can_not_be_changed_from_outside() -> None:
    """Reloading requires an API key, set in the server and sent by the caller; a model given by code never reloads."""
    async with serving(make_app()) as client:
        check_error(await reload(client), 401, "unauthorized")
    async with serving(make_app(api_key="one")) as client:
        check_error(await reload(client, "two"), 401, "unauthorized")
    async with serving(create_app(make_settings(api_key="one"), FakeClassifier())) as client:
        check_error(await reload(client), 409, "reload_failed")
