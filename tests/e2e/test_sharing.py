"""Sharing: callers that loop the largest permitted batches slow ordinary callers down, and refuse none of them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.support.engines import PATIENCE_S
from tests.support.process import server_process

pytestmark = pytest.mark.timeout(120)

CALLERS = 4
LARGEST = json.dumps({"texts": [("good " * 20_000 + "bad ")[4 * index :][:99_900] for index in range(20)]}).encode()
"""20 different texts of about 100,000 characters, in just less than the largest body."""
REVIEWS = [("good " * 2000)[:chars] for chars in (2500, 9000)]
"""Both are tokenized on the tokenizer's thread: on one core only texts of more than 8,000 characters are."""


@contextmanager
def looping(server: ServedArtifact) -> Iterator[list[int]]:
    """Let callers loop the largest batch; yield the statuses of their answers so far, once each has begun."""
    statuses: list[int] = []
    ended, begun = threading.Event(), threading.Barrier(CALLERS + 1)

    def loop() -> None:
        with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
            assert 200 == client.get("/health/live").status_code
            begun.wait(PATIENCE_S)
            while not ended.is_set():
                statuses.append(client.post("/predict/batch", content=LARGEST).status_code)

    threads = [threading.Thread(target=loop) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        begun.wait(PATIENCE_S)
        yield statuses
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_the_largest_batches_refuse_no_review() -> None:
    """Reviews are answered beside them, each sooner than a batch: they take turns at the tokenizer by characters."""
    with server_process() as server, httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        with looping(server) as batches:
            while not batches:
                assert 200 == client.get("/health/live").status_code
            reviews = [client.post("/predict", json={"text": text}) for text in REVIEWS * 20]
            answered = len(batches)
        assert {200} == {review.status_code for review in reviews}
        assert {"positive"} == {review.json()["label"] for review in reviews}
        assert {200} == set(batches)
        assert len(reviews) > answered, "in the order of arrival a review would wait for four batches"
