"""Retry-After: callers that a full queue refuses are told different times, spread over what their work takes."""

import json
import socket

import httpx
import pytest

from artifact.child import ROOT
from tests.support.engines import PATIENCE_S
from tests.support.figures import read_figures
from tests.support.process import server_process
from tests.support.serving import check_error

pytestmark = pytest.mark.timeout(120)

FILLING = {"texts": [f"{number} " + "a fine film " * 100 for number in range(255)]}
"""All but one of the longest texts for which the queue has room."""
REFUSED = {"texts": FILLING["texts"][:20]}
BODY = json.dumps(FILLING).encode()
HEAD = b"POST /predict/batch HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
FULL_TOKENS = 250 * 256
CALLERS = 20


def test_refused_callers_come_back_one_after_the_other() -> None:
    """Each of a burst gets a time that is no sooner than that of the one before, and the last waits longer."""
    with (
        server_process(ROOT / "models" / "default", inference_workers="1") as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client,
    ):
        assert 200 == client.post("/predict", json={"text": FILLING["texts"][0]}).status_code  # measures a run
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as filling:
            filling.sendall(HEAD % len(BODY) + BODY)
            while read_figures(client.get("/metrics").content)["verdict_queue_tokens"] < FULL_TOKENS:
                pass
            refusals = [client.post("/predict/batch", json=REFUSED) for _ in range(CALLERS)]
        while (
            client.post("/predict/batch", json=REFUSED).status_code == 429
        ):  # until it is noticed that the filler left
            pass
    for refusal in refusals:
        assert "the queue holds" in check_error(refusal, 429, "overloaded")
    waits_s = [int(refusal.headers["retry-after"]) for refusal in refusals]
    assert sorted(waits_s) == waits_s
    assert 1 <= waits_s[0] < waits_s[-1]
