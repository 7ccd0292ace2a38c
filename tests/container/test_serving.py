"""The running container within the limits of Fargate's smallest task: 0.25 vCPU, 512 MB, read-only."""

import csv
import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from benchmarks.load.corpus import compose
from tests.support.container import Container, container
from tests.support.process import ROOT, server_process
from tests.support.tiny import TINY

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

DEFAULT = ROOT / "models" / "default"
UNSLIMMED = ROOT / ".venv-server" / "bin" / "python"
"""The environment that was not slimmed."""
KEY = {"authorization": "Bearer key"}
TEXT = "A film I will watch again."
INFERENCE = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": [TEXT]}]}
BODIES: dict[str, object] = {
    "/predict": {"text": TEXT},
    "/predict/batch": {"texts": ["Wonderful from start to finish.", "A waste of time and talent."]},
    "/predict/stream": {"text": TEXT},
    "/explain": {"text": TEXT},
    "/tokenize": {"text": TEXT},
    "/": {"inputs": TEXT},
    "/hf": {"inputs": TEXT},
    "/tei/predict": {"inputs": TEXT},
    "/tei/rerank": {"query": "films", "texts": [TEXT]},
    "/tei/tokenize": {"inputs": TEXT},
    "/v2/models/{name}/infer": INFERENCE,
    "/v2/models/{name}/versions/{version}/infer": INFERENCE,
    "/classify": {"model": "any", "input": TEXT},
    "/v1/classify": {"model": "any", "input": TEXT},
    "/invocations": {"inputs": TEXT},
    "/admin/reload": None,
}
"""The request body of each route. Add an entry for a new route."""
STATUSES = {"/tei/rerank": 424}
"""Of routes that the default model cannot serve: it is no re-ranker."""
_CHALLENGE = (ROOT / "tests" / "data" / "challenge.tsv").read_text().splitlines()
SENTENCES = [row["text"] for row in csv.DictReader(_CHALLENGE, delimiter="\t")]
REVIEWS = list(compose("reviews", 30).texts)
ODD = ["Good good BAD", "?", "\N{FILM FRAMES}", "Großartig! 素晴らしい", "a" * 5000, "good\x00bad", "  spaces  "]
MEMORY_BYTES = 256 * 2**20


def test_every_route_answers(image: str) -> None:
    """The engine reports the container as healthy, and then every route of the API answers."""
    with container(image, "--health-interval", "1s", api_key="key") as server:
        server.wait_until_healthy()
        with httpx.Client(base_url=server.url, timeout=60, headers=KEY) as client:
            model = client.get("/info").json()["model"]
            for path, methods in client.get("/openapi.json").json()["paths"].items():
                for method in methods:
                    url = path.format(name=model["name"], version=model["version"])
                    answer = client.request(method, url, json=BODIES[path] if method == "post" else None)
                    assert STATUSES.get(path, 200) == answer.status_code, (path, answer.text)
        assert 0 == server.stop()
    assert "stopped" in server.lines[-1]


def test_the_server_is_the_first_process(image: str) -> None:
    """No shell stands between the orchestrator's signals and the server."""
    with container(image) as server:
        assert server.url
        assert "/app/venv/bin/python -m server serve " == server.execute("cat", "/proc/1/cmdline").replace("\0", " ")
        assert 0 == server.stop()


def test_the_port_that_a_platform_names_is_taken(image: str, free_port: int) -> None:
    """``PORT`` sets the port of the server and of its health check; the server accepts requests to any address."""
    with container(image, "--health-interval", "1s", host="0.0.0.0", PORT=str(free_port)) as server:  # noqa: S104 - for a moment
        server.wait_for(rf"listening on http://0\.0\.0\.0:{free_port}")
        server.wait_until_healthy()
        assert 0 == server.stop()


def test_a_mounted_model_takes_the_place_of_the_image_s(image: str) -> None:
    """A new model needs no new image."""
    with container(image, "--volume", f"{TINY}:/app/models/default:ro") as server:
        assert "tiny" == httpx.get(f"{server.url}/info", timeout=60).json()["model"]["name"]
        assert 0 == server.stop()


@pytest.mark.parametrize("user", ["0:0", "10001:10001"])
def test_sagemaker_may_run_it_as_any_user_with_its_own_model(image: str, user: str) -> None:
    """The platform mounts the model at /opt/ml/model, starts the image with the word serve and asks on its routes."""
    with container(image, "--user", user, "--volume", f"{TINY}:/opt/ml/model:ro") as server:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            assert 200 == client.get("/ping").status_code
            assert "tiny" == client.get("/info").json()["model"]["name"]
            answer = client.post("/invocations", json={"inputs": ["good", "bad"]})
        assert ["positive", "negative"] == [each["label"] for each in answer.json()]
        assert "serve" == server.execute("cat", "/proc/1/cmdline").split("\0")[-2]
        assert user.partition(":")[0] == server.execute("stat", "--format", "%u", "/proc/1").strip()
        assert 0 == server.stop()


def test_a_start_that_can_not_succeed_says_why(image: str) -> None:
    """The container ends with one line and exit code 1, as the server does outside a container."""
    with container(image, artifact_dir="/nowhere") as server:
        assert 1 == server.wait()
    assert 1 == len(server.lines)
    assert "/nowhere" in server.lines[0]


@pytest.mark.parametrize("truncation", ["head_tail", "window"])
def test_predictions_are_those_of_the_full_environment(image: str, truncation: str) -> None:
    """The files removed from the image change no answer: every byte equals that of the server in ``.venv-server``."""
    texts = (SENTENCES if truncation == "head_tail" else []) + REVIEWS + ODD
    with container(image) as server, server_process(DEFAULT, interpreter=UNSLIMMED) as reference:
        for start in range(0, len(texts), 32):
            body = {"texts": texts[start : start + 32], "truncation": truncation}
            expected, actual = (
                httpx.post(f"{side.url}/predict/batch", json=body, timeout=120) for side in (reference, server)
            )
            assert 200 == expected.status_code, expected.text
            assert expected.content == actual.content


def test_a_stop_under_load_loses_nothing_and_memory_stays_small(image: str) -> None:
    """Every accepted request is answered before the server exits with 0; memory stays under half its limit."""
    with container(image) as server:
        load = Load(server)
        with ThreadPoolExecutor(load.CALLERS) as pool:
            callers = [pool.submit(load.call, number) for number in range(load.CALLERS)]
            load.wait_for(300)
            peak = server.peak_bytes()
            load.stopping.set()
            code = server.stop()
            seen = sum((caller.result() for caller in callers), Counter())
    assert 0 == code
    logged = Counter(int(status) for status in re.findall(r'"status":(\d+)', server.log))
    assert logged[200] == seen[200]
    assert {200, 503} >= set(logged)
    assert peak <= MEMORY_BYTES


class Load:
    """Callers that each send one request after another until the server accepts no more."""

    CALLERS = 8

    def __init__(self, server: Container) -> None:
        self.stopping = threading.Event()
        self._url = server.url
        self._answers = threading.Semaphore(0)

    def wait_for(self, answers: int) -> None:
        """Wait until so many requests have been answered."""
        for _ in range(answers):
            assert self._answers.acquire(timeout=60)

    def call(self, number: int) -> Counter[int]:
        """Send until refused; return the statuses, with 0 for a connection refused or closed without a response."""
        seen: Counter[int] = Counter()
        with httpx.Client(timeout=60) as client:
            while not (seen[503] or seen[0]):
                texts = SENTENCES if number else REVIEWS
                text = texts[(seen[200] * self.CALLERS + number) % len(texts)]
                try:
                    status = client.post(f"{self._url}/predict", json={"text": text}).status_code
                except httpx.TransportError:
                    status = 0
                assert 200 == status or self.stopping.is_set(), status
                seen[status] += 1
                self._answers.release()
        return seen
