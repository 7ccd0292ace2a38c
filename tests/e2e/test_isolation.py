"""What one caller or one text does to others: in a process of its own, over real HTTP."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.artifacts import bare_tokenizer, copy_tiny
from tests.support.process import server_process
from tests.support.serving import check_error

INVISIBLE = [
    "\u200b",
    "\u00ad",
    "\x00",
    "\x1b",
    "\ufe0f",
    "\u200d\u200c",
    "\ufeff",
    "\u2800",
    "\u3164",
    " \u2060\t",
    "\U000e0041",
]


@pytest.fixture(scope="module", params=["with special tokens", "without special tokens"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client of a server whose tokenizer adds special tokens, or none."""
    artifact = copy_tiny(tmp_path_factory.mktemp("artifact"))
    if "without special tokens" == request.param:
        bare_tokenizer(artifact)
    with server_process(artifact) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.mark.parametrize("text", ["", " ", "\n\u3000", *INVISIBLE], ids=ascii)
def test_an_invisible_text_is_an_empty_one(client: httpx.Client, text: str) -> None:
    """Alone and in a batch, whatever the tokenizer makes of it: 422, and the server goes on."""
    message = check_error(client.post("/predict", json={"text": text}), 422, "invalid_request")
    assert "text: the text is empty; send at least one visible character" == message
    message = check_error(client.post("/predict/batch", json={"texts": ["good", text]}), 422, "invalid_request")
    assert "texts.1: the text is empty; send at least one visible character" == message
    assert 200 == client.post("/predict", json={"text": f"good{text}"}).status_code


def test_a_text_without_a_token_is_an_empty_one(tmp_path: Path) -> None:
    """It would be an empty row: a failure alone, and in a batch its neighbour's answer."""
    with server_process(bare_tokenizer(copy_tiny(tmp_path))) as server, httpx.Client(base_url=server.url) as client:
        expected = "is empty for this model: its tokenizer makes no token of it; send other characters"
        message = check_error(client.post("/predict", json={"text": "\u0301"}), 422, "invalid_request")
        assert f"text 0 {expected}" == message
        texts = ["good", "bad", "\u0301\u0301"]
        message = check_error(client.post("/predict/batch", json={"texts": texts}), 422, "invalid_request")
        assert f"text 2 {expected}" == message
        answer = client.post("/predict/batch", json={"texts": texts[:2]}).json()
        assert ["positive", "negative"] == [prediction["label"] for prediction in answer["predictions"]]
