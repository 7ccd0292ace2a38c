"""The API against its own OpenAPI document: the response to any request is documented."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.process import server_process

pytest.importorskip("schemathesis")

pytestmark = pytest.mark.development

CONFIGURATION = Path(__file__).with_name("openapi_fuzz.toml")
HEADERS = {"authorization": "Bearer fuzz-key"}
TIGHT = {
    "max_text_chars": "60",
    "max_body_bytes": "1024",
    "max_items_per_request": "3",
    "max_batch_tokens": "20",
    "max_queue_tokens": "40",
    "cache_items": "10",
}
OPERATIONS = {
    "get /health/live",
    "get /health/ready",
    "get /card",
    "get /info",
    "get /metrics",
    "get /execution-parameters",
    "get /ping",
    "get /tei/health",
    "get /tei/info",
    "get /tei/metrics",
    "post /",
    "post /classify",
    "post /hf",
    "post /invocations",
    "post /tei/predict",
    "post /tei/rerank",
    "post /tei/tokenize",
    "post /v1/classify",
    "post /admin/reload",
    "post /predict",
    "post /predict/batch",
    "post /predict/stream",
    "post /explain",
    "post /tokenize",
    "get /v2",
    "get /v2/health/live",
    "get /v2/health/ready",
    "get /v2/models/{name}",
    "get /v2/models/{name}/ready",
    "get /v2/models/{name}/versions/{version}",
    "get /v2/models/{name}/versions/{version}/ready",
    "post /v2/models/{name}/infer",
    "post /v2/models/{name}/versions/{version}/infer",
}
"""Of the document: method and path. Add a new route."""
SEED = ["--seed", "1"] if os.environ.get("CI") else []


@pytest.mark.parametrize("limits", [{}, TIGHT], ids=["usual limits", "tight limits"])
def test_every_answer_is_documented_and_none_is_a_failure(tmp_path: Path, limits: dict[str, str]) -> None:
    """Several hundred valid and invalid requests: no 500, and every status, header and body matches the document.

    Invalid requests are refused, valid ones accepted, other methods get 405, and keys are required where the document
    says so. Afterwards the server is ready and its log reports no bug.
    """
    with server_process(api_key="fuzz-key", **limits) as server:
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run"]
        fuzzed = subprocess.run(
            [*command, f"{server.url}/openapi.json", "--checks", "all", "--max-examples", "25", "--no-color", *SEED],
            cwd=tmp_path,  # schemathesis stores its findings there
            capture_output=True,
            text=True,
            check=False,
        )
        ready = httpx.get(f"{server.url}/health/ready")
        figures = httpx.get(f"{server.url}/metrics", headers=HEADERS).text
        server.process.terminate()
        assert 0 == server.wait()
    assert 0 == fuzzed.returncode, fuzzed.stdout + fuzzed.stderr
    assert f"Tested: {len(OPERATIONS) - 1}" in fuzzed.stdout  # all but streams, whose bodies are lines
    assert 200 == ready.status_code
    assert 'status="500"' not in figures
    assert [] == [line for line in server.lines if "Traceback" in line or "bug" in line]


def test_the_document_covers_every_route() -> None:
    """Only documented routes are fuzzed, so the document must list exactly these."""
    with server_process() as server:
        document = httpx.get(f"{server.url}/openapi.json").json()
    operations = {f"{method} {path}" for path, methods in document["paths"].items() for method in methods}
    assert OPERATIONS == operations
