"""Explanations by a real process and the model in the repository: what is promised of a part holds."""

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.figures import read_figures
from tests.support.process import ROOT, server_process
from tests.support.serving import check_error

DEFAULT = ROOT / "models" / "default"

pytestmark = pytest.mark.skipif(
    not (DEFAULT / "manifest.json").exists(), reason="models/default is not in the repository yet"
)

REVIEW = (
    "I went in with low hopes. The cast is wonderful, and the camera work is a joy. "
    "Sadly the last hour is dull \U0001f634, badly cut and far too long! 还不错。 Would I watch it again? Yes."
)


@pytest.fixture(scope="module", params=[{}, {"inference_workers": "2"}, {"cache_items": "500"}], ids=str)
def client(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Return a client of a server."""
    variables = {f"VERDICT_{name.upper()}": value for name, value in request.param.items()}
    with (
        server_process(DEFAULT, **variables) as server,
        httpx.Client(base_url=server.url, timeout=60) as connection,
    ):
        yield connection


def post(client: httpx.Client, path: str, **body: Any) -> Any:
    """Return the answer to a body."""
    answer = client.post(path, json=body)
    assert 200 == answer.status_code, answer.text
    return answer.json()


@pytest.mark.parametrize("by", ["sentence", "word"])
def test_removing_the_strongest_part_changes_the_probability_as_promised(client: httpx.Client, by: str) -> None:
    """A caller that removes it gets the promised score from /predict, to the last digit."""
    explained = post(client, "/explain", text=REVIEW, by=by)
    label = explained["labels"].index(explained["label"])
    assert explained["scores"] == post(client, "/predict", text=REVIEW)["probabilities"]
    strongest = max(explained["parts"], key=lambda part: abs(part["contribution"]))
    assert abs(strongest["contribution"]) > 0.01
    rest = f"{REVIEW[: strongest['start']]}{REVIEW[strongest['stop'] :].lstrip()}".strip()
    now = post(client, "/predict", text=rest)["probabilities"][label]
    assert (now, strongest["contribution"]) == (strongest["score_without"], round(explained["score"] - now, 6))


def test_every_part_has_the_scores_of_predict_while_others_are_answered(client: httpx.Client) -> None:
    """To the last digit, for each part, although predictions run in between."""
    with ThreadPoolExecutor(2) as pool:
        explanation = pool.submit(post, client, "/explain", text=REVIEW, by="word")
        texts = [f"Film {index} is fine." for index in range(20)]
        alone = [post(client, "/predict", text=text) for text in texts]
        explained = explanation.result()
    assert alone == post(client, "/predict/batch", texts=texts)["predictions"]
    assert "".join(REVIEW.split()) == "".join(part["text"] for part in explained["parts"]).replace(" ", "")
    assert all(REVIEW[part["start"] : part["stop"]] == part["text"] for part in explained["parts"])


def test_a_caller_that_goes_stops_its_explanation() -> None:
    """Its parts leave the queue, and the server ends without waiting for them."""
    with server_process(DEFAULT) as server:
        host, port = server.url.removeprefix("http://").split(":")
        body = json.dumps({"text": "A dull film, and so very long. " * 36, "by": "word"}).encode()
        connection = http.client.HTTPConnection(host, int(port))
        connection.request("POST", "/explain", body, {"content-type": "application/json"})
        figures = {"verdict_background_texts": 0.0}
        with httpx.Client(base_url=server.url) as client:
            while not figures["verdict_background_texts"]:
                figures = read_figures(client.get("/metrics").content)
            assert connection.sock is not None
            connection.sock.shutdown(socket.SHUT_RDWR)
            connection.close()
            while "verdict_texts_total{outcome=caller_gone}" not in figures:
                figures = read_figures(client.get("/metrics").content)
    assert 0 == figures["verdict_background_texts"]


def test_an_explanation_has_a_deadline() -> None:
    """The caller's own counts for all parts together."""
    with server_process(DEFAULT) as server:
        answer = httpx.post(
            f"{server.url}/explain",
            json={"text": "A dull film, and so very long. " * 36, "by": "word"},
            headers={"x-request-timeout-ms": "50"},
            timeout=60,
        )
    check_error(answer, 504, "timed_out")
