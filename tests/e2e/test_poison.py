"""Poison: a text on which onnxruntime really fails takes none of its neighbours with it."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

pytest.importorskip("onnx")
pytest.importorskip("psutil")

from artifact.child import ServedArtifact
from benchmarks.processes.poisoned import poison
from tests.support.engines import PATIENCE_S
from tests.support.process import server_process
from tests.support.serving import check_error
from tests.support.tiny import TINY, logits

pytestmark = [pytest.mark.development, pytest.mark.timeout(120)]

INNOCENT = [["good"] * (index % 3) + ["y"] * (index % 7 + 1) for index in range(40)]


@dataclass
class Poisoned:
    """A server, and the word on which its graph fails."""

    server: ServedArtifact
    word: str


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Poisoned]:
    """Return the server that all tests of this module share."""
    artifact = tmp_path_factory.mktemp("poisoned") / "artifact"
    word = poison(TINY, artifact, [" ".join(words) for words in INNOCENT])
    with server_process(artifact, log_format="text") as server:
        yield Poisoned(server, word)


def test_only_the_guilty_text_fails(poisoned: Poisoned) -> None:
    """Beside eight innocent callers a poisonous one gets 422 with the place of its text; they get their own answers."""
    with httpx.Client(base_url=poisoned.server.url, timeout=PATIENCE_S) as client, ThreadPoolExecutor(10) as pool:
        guilty = {"texts": [" ".join(words) for words in INNOCENT] + [f"good {poisoned.word}"] + ["y"] * 20}
        failures = [pool.submit(client.post, "/predict/batch", json=guilty) for _ in range(40)]
        single = [pool.submit(client.post, "/predict", json={"text": f"y {poisoned.word}"}) for _ in range(40)]
        answers = [
            (words, pool.submit(client.post, "/predict", json={"text": " ".join(words)})) for words in INNOCENT * 10
        ]
        for words, answer in answers:
            assert 200 == answer.result().status_code
            negative, positive = logits(words)
            assert int(positive > negative) == answer.result().json()["sentiment"]
            assert len(words) + 2 == answer.result().json()["tokens"]
        for index, refused in ((40, failures), (0, single)):
            for failure in refused:
                message = check_error(failure.result(), 422, "text_failed")
                assert message.startswith(f"the model fails on text {index}, alone too;")
    sizes = [int(size) for size in re.findall(r"a micro-batch of (\d+) texts failed", poisoned.server.log)]
    assert max(sizes) > 1, "the poison had neighbours"


def test_a_failed_text_changes_no_answer(poisoned: Poisoned) -> None:
    """The same texts get the same answers before and after a failure in their batch."""
    texts = {"texts": [" ".join(words) for words in INNOCENT]}
    with httpx.Client(base_url=poisoned.server.url, timeout=PATIENCE_S) as client:
        before = client.post("/predict/batch", json=texts).json()
        guilty = {"texts": [*texts["texts"], poisoned.word]}
        check_error(client.post("/predict/batch", json=guilty), 422, "text_failed")
        assert before == client.post("/predict/batch", json=texts).json()
        assert {"positive", "negative"} == {answer["label"] for answer in before["predictions"]}
