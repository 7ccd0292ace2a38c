"""Clients of other servers, unchanged, against the real process."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.support.process import server_process

boto3 = pytest.importorskip("boto3")
huggingface_hub = pytest.importorskip("huggingface_hub")
requests = pytest.importorskip("requests")

pytestmark = pytest.mark.development

TEXTS = ["good", "bad bad", "good bad good", "a b c good"]


@pytest.fixture(scope="module")
def server() -> Iterator[ServedArtifact]:
    """Return a server that asks for a key."""
    with server_process(api_key="one") as process:
        yield process


@pytest.fixture(scope="module")
def expected(server: ServedArtifact) -> list[dict[str, float]]:
    """Return the scores of each text by label, from the native protocol."""
    answer = httpx.post(f"{server.url}/predict/batch", json={"texts": TEXTS}, headers={"x-api-key": "one"})
    labels = ("negative", "positive")
    return [dict(zip(labels, each["probabilities"], strict=True)) for each in answer.json()["predictions"]]


def by_label(elements: Any) -> dict[str, float]:
    """Return the scores of a ranking of Hugging Face's client, and check that the best comes first."""
    scores = [element.score for element in elements]
    assert sorted(scores, reverse=True) == scores
    return {element.label: element.score for element in elements}


@pytest.mark.parametrize("path", ["", "/hf"])
def test_hugging_faces_client(server: ServedArtifact, expected: list[dict[str, float]], path: str) -> None:
    """All labels with their scores; top_k limits them, and a function of the logits can be asked for."""
    client = huggingface_hub.InferenceClient(server.url + path, token="one")
    assert expected == [by_label(client.text_classification(text)) for text in TEXTS]
    (best,) = client.text_classification(TEXTS[0], top_k=1)
    assert "positive" == best.label
    same = client.text_classification(TEXTS[0], function_to_apply="softmax")
    assert expected[0] == by_label(same)


def test_hugging_faces_asynchronous_client(server: ServedArtifact, expected: list[dict[str, float]]) -> None:
    """Many at once, each with its own answer."""

    async def ask() -> list[Any]:
        async with huggingface_hub.AsyncInferenceClient(server.url, token="one") as client:
            return await asyncio.gather(*(client.text_classification(text) for text in TEXTS * 4))

    assert expected * 4 == [by_label(elements) for elements in asyncio.run(ask())]


def test_hugging_faces_client_shows_a_refusal(server: ServedArtifact) -> None:
    """A wrong key and a wrong body raise the client's own errors, with the server's message."""
    with pytest.raises(huggingface_hub.errors.HfHubHTTPError, match="401"):
        huggingface_hub.InferenceClient(server.url, token="two").text_classification("good")
    with pytest.raises(huggingface_hub.errors.BadRequestError, match="the text is empty"):
        huggingface_hub.InferenceClient(server.url, token="one").text_classification(" ")


@pytest.mark.parametrize("path", ["/classify", "/v1/classify"])
def test_an_openai_style_call(server: ServedArtifact, expected: list[dict[str, float]], path: str) -> None:
    """As vLLM's own example calls it: the probabilities are in label order."""
    headers = {"authorization": "Bearer one", "user-agent": "Test Client"}
    body = {"model": "jason9693/Qwen2.5-1.5B-apeach", "input": TEXTS}
    answer = requests.post(server.url + path, headers=headers, json=body, timeout=20)
    assert 200 == answer.status_code
    assert [list(scores.values()) for scores in expected] == [each["probs"] for each in answer.json()["data"]]


def sagemaker(server: ServedArtifact) -> Any:
    """Return boto3's client, whose requests reach the container as the platform would forward them."""
    client = boto3.client(
        "sagemaker-runtime",
        region_name="eu-central-1",
        endpoint_url=server.url,
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",
    )

    def forward(request: Any, **_: Any) -> None:
        assert "/endpoints/verdict/invocations" == urlsplit(request.url).path
        request.url = f"{server.url}/invocations"
        request.headers["x-api-key"] = "one"

    client.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", forward)
    return client


def test_boto3_invokes_an_endpoint(server: ServedArtifact, expected: list[dict[str, float]]) -> None:
    """In JSON, CSV and JSON lines."""
    client = sagemaker(server)

    def invoke(body: str, content_type: str, **options: str) -> str:
        answer = client.invoke_endpoint(EndpointName="verdict", Body=body, ContentType=content_type, **options)
        text: str = answer["Body"].read().decode()
        return text

    def scores(ranking: list[dict[str, Any]]) -> dict[str, float]:
        return {each["label"]: each["score"] for each in ranking}

    body = json.dumps({"inputs": TEXTS, "parameters": {"top_k": 2}})
    assert expected == [scores(ranking) for ranking in json.loads(invoke(body, "application/json"))]
    lines = "\n".join(json.dumps({"inputs": text}) for text in TEXTS)
    answer = invoke(lines, "application/jsonlines")
    assert expected == [scores(json.loads(line)) for line in answer.splitlines()]
    answer = invoke("\n".join(TEXTS), "text/csv", Accept="application/json")
    assert expected == [scores(ranking) for ranking in json.loads(answer)]
    rows = [row.split(",") for row in invoke("\n".join(TEXTS), "text/csv").splitlines()]
    assert expected == [{row[0]: float(row[1]), row[2]: float(row[3])} for row in rows]


def test_boto3_shows_a_refusal(server: ServedArtifact) -> None:
    """The client raises the container's status and message."""
    with pytest.raises(sagemaker(server).exceptions.ClientError, match="inputs: Field required"):
        sagemaker(server).invoke_endpoint(EndpointName="verdict", Body="{}", ContentType="application/json")
