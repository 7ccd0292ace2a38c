"""Triton's and KServe's own clients, unchanged, against a server process.

KServe's client pins psutil below 6, which the development environment can not have: install kserve beside the server's
and the tests' requirements in an environment of its own to run its test.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from artifact.child import ServedArtifact
from tests.support.process import server_process

pytestmark = pytest.mark.development

TEXTS = ["good good", "bad \U0001f600 film", "good"]
LABELS = ["positive", "negative", "positive"]
OUTPUTS = {"scores", "label", "tokens", "truncated", "unknown"}


@pytest.fixture(scope="module")
def server() -> Iterator[ServedArtifact]:
    """Serve the tiny artifact."""
    with server_process() as process:
        yield process


@pytest.fixture(scope="module")
def scores(server: ServedArtifact) -> np.ndarray:
    """Return the native probabilities of the texts."""
    answer = httpx.post(f"{server.url}/predict/batch", json={"texts": TEXTS}).json()
    return np.array([each["probabilities"] for each in answer["predictions"]])


def make_input(module: Any, *, binary: bool, column: bool) -> Any:
    """Return the texts as a tensor of Triton's or KServe's client."""
    array = np.array([text.encode() for text in TEXTS], dtype=object)
    array = array[:, None] if column else array
    tensor = module.InferInput("text", list(array.shape), "BYTES")
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def check(result: Any, scores: np.ndarray) -> None:
    """Check the scores and labels that a client read."""
    np.testing.assert_allclose(scores, result.as_numpy("scores"), atol=1e-6)
    assert LABELS == [str(label, "utf-8") if isinstance(label, bytes) else label for label in result.as_numpy("label")]


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("column", [True, False])
def test_tritons_client(
    server: ServedArtifact, scores: np.ndarray, compression: str | None, binary: bool, column: bool
) -> None:
    """Binary and JSON, [n] and [n, 1], compressed and not: the scores are those of the native protocol."""
    triton = pytest.importorskip("tritonclient.http")
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        result = client.infer(
            "tiny",
            [make_input(triton, binary=binary, column=column)],
            request_id="r7",
            request_compression_algorithm=compression,
            response_compression_algorithm=compression,
        )
        later = client.async_infer("tiny", [make_input(triton, binary=binary, column=column)]).get_result()
    for each in (result, later):
        check(each, scores)
    assert "r7" == result.get_response()["id"]
    assert [False] * 3 == result.as_numpy("truncated").tolist()


def test_tritons_client_asks_about_the_server(server: ServedArtifact) -> None:
    """Health, metadata, classes and errors are what the client expects."""
    triton = pytest.importorskip("tritonclient.http")
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("tiny", "1.0.0")
        assert not client.is_model_ready("other")
        assert ["binary_tensor_data", "classification"] == client.get_server_metadata()["extensions"]
        assert OUTPUTS == {each["name"] for each in client.get_model_metadata("tiny")["outputs"]}
        wanted = [triton.InferRequestedOutput("scores", class_count=1), triton.InferRequestedOutput("label", False)]
        result = client.infer("tiny", [make_input(triton, binary=True, column=False)], outputs=wanted)
        assert [b"1:positive", b"0:negative", b"1:positive"] == [
            each.partition(b":")[2] for each in result.as_numpy("scores").ravel()
        ]
        with pytest.raises(triton.InferenceServerException, match=r"\[404\] model 'other' is not served"):
            client.infer("other", [make_input(triton, binary=True, column=False)])


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_asyncio_client(server: ServedArtifact, scores: np.ndarray, binary: bool) -> None:
    """It sends application/octet-stream, for JSON as well."""
    triton = pytest.importorskip("tritonclient.http.aio")

    async def ask() -> Any:
        async with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
            return await client.infer("tiny", [make_input(triton, binary=binary, column=True)])

    check(asyncio.run(ask()), scores)


@pytest.mark.parametrize("binary", [True, False])
def test_kserves_client(server: ServedArtifact, scores: np.ndarray, binary: bool) -> None:
    """Health and inference, with all outputs and with one of them as bytes."""
    kserve = pytest.importorskip("kserve")
    wanted = [
        kserve.protocol.infer_type.RequestedOutput("scores", parameters={"binary_data": True}),
        kserve.protocol.infer_type.RequestedOutput("label"),
    ]

    async def ask() -> list[Any]:
        async with kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2")) as client:
            assert await client.is_server_live(server.url)
            assert await client.is_server_ready(server.url)
            assert await client.is_model_ready(server.url, "tiny")
            assert not await client.is_model_ready(server.url, "other")
            requests = [
                kserve.InferRequest(
                    "tiny", [make_input(kserve, binary=binary, column=True)], request_id="q", request_outputs=outputs
                )
                for outputs in (None, wanted)
            ]
            return [await client.infer(server.url, request, model_name="tiny") for request in requests]

    for answer in asyncio.run(ask()):
        assert "q" == answer.id
        tensors = {each.name: each for each in answer.outputs}
        np.testing.assert_allclose(scores, tensors["scores"].as_numpy(), atol=1e-6)
        assert LABELS == list(tensors["label"].as_numpy())
