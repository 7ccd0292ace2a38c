"""The routes of the Open Inference Protocol: what a client sends, and what it gets for each kind of model."""

from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, StrictBool, StrictFloat, StrictInt

from artifact.scores import Head
from server.app import create_app
from server.errors import EngineFailedError, OverloadedError
from server.http.protocols.open_inference.binary import read_elements, write_elements
from tests.support.classifiers import FakeClassifier, FixedClassifier
from tests.support.serving import make_settings, serving

pytestmark = pytest.mark.anyio

SINGLE = Head(("no", "yes"))
MULTI = Head(("a", "b", "c"), problem="multi_label", thresholds=(0.5, 0.5, 0.2), activation="sigmoid")
VALUE = Head(("stars",), problem="regression", activation="identity")
INFER = "/v2/models/fake/infer"


def fixed(head: Head = SINGLE, scores: Sequence[float] = (0.25, 0.75), *, pairs: bool = False) -> FixedClassifier:
    """Return a classifier that answers every text with the same scores."""
    return FixedClassifier(head, list(scores), pairs=pairs, unknown=1, truncated=True)


def request(*texts: str, **changes: Any) -> dict[str, Any]:
    """Return a request for the scores of some texts."""
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}
    return {"inputs": [tensor]} | changes


async def post(classifier: FakeClassifier, *, path: str = INFER, **sent: Any) -> httpx.Response:
    """Send one request to a server with this classifier."""
    async with serving(create_app(make_settings(max_items_per_request=4), classifier)) as client:
        return await client.post(path, **sent)


class _Required(BaseModel):
    """A shape of the protocol's OpenAPI document: its fields, the required ones without a default."""

    model_config = ConfigDict(strict=True)


class _Tensor(_Required):
    name: str
    shape: list[StrictInt]
    datatype: str
    data: list[StrictFloat | str | StrictBool | StrictInt]


class _Answer(_Required):
    model_name: str
    outputs: list[_Tensor]
    model_version: str
    id: str = ""


class _TensorMetadata(_Required):
    name: str
    datatype: str
    shape: list[StrictInt]


class _Model(_Required):
    name: str
    platform: str
    versions: list[str]
    inputs: list[_TensorMetadata]
    outputs: list[_TensorMetadata]


class _Server(_Required):
    name: str
    version: str
    extensions: list[str]


def outputs(*tensors: tuple[str, str, list[int], list[Any]]) -> list[dict[str, Any]]:
    """Return the tensors of an answer."""
    keys = ("name", "datatype", "shape", "data")
    return [dict(zip(keys, each, strict=True)) for each in tensors]


READING = [
    ("tokens", "INT32", [2], [5, 5]),
    ("truncated", "BOOL", [2], [True, True]),
    ("unknown", "INT32", [2], [1, 1]),
]


@pytest.mark.parametrize(
    ("head", "scores", "tensors"),
    [
        (
            SINGLE,
            (0.25, 0.75),
            [("scores", "FP32", [2, 2], [0.25, 0.75] * 2), ("label", "BYTES", [2], ["yes", "yes"])],
        ),
        (
            MULTI,
            (0.1, 0.5, 0.25),
            [
                ("scores", "FP32", [2, 3], [0.1, 0.5, 0.25] * 2),
                ("label", "BYTES", [2, 3], ["", "b", "c"] * 2),
            ],
        ),
        (VALUE, (-3.5,), [("scores", "FP32", [2, 1], [-3.5, -3.5])]),
    ],
)
async def test_the_tensors_have_the_shape_of_the_head(
    head: Head, scores: Sequence[float], tensors: list[tuple[str, str, list[int], list[Any]]]
) -> None:
    """Scores in label order as FP32; a name for each text, or for each chosen label, or none."""
    answer = (await post(fixed(head, scores), json=request("a", "b", id="42"))).json()
    _Answer.model_validate(answer)
    assert {
        "model_name": "fake",
        "model_version": "7",
        "id": "42",
        "outputs": outputs(*tensors, *READING),
    } == answer


@pytest.mark.parametrize(("head", "pairs"), [(SINGLE, True), (MULTI, False), (VALUE, False)])
async def test_the_metadata_names_every_tensor_of_the_answer(head: Head, pairs: bool) -> None:
    """Names and datatypes are those of the answer; -1 stands for any number of texts. So for a version as well."""
    scores = [0.5] * len(head.labels)
    async with serving(create_app(make_settings(), fixed(head, scores, pairs=pairs))) as client:
        described = _Model.model_validate_json((await client.get("/v2/models/fake")).content)
        of_version = (await client.get("/v2/models/fake/versions/7")).json()
        answer = _Answer.model_validate_json((await client.post(INFER, json=request("a"))).content)
    expected = [(each.name, each.datatype, [-1, *each.shape[1:]]) for each in answer.outputs]
    assert expected == [(each.name, each.datatype, each.shape) for each in described.outputs]
    assert (["text", "text_pair"] if pairs else ["text"]) == [each.name for each in described.inputs]
    assert described == _Model.model_validate(of_version)


async def test_only_the_outputs_that_are_named_are_sent_in_their_order() -> None:
    """As the protocol says of ``outputs``."""
    wanted = [{"name": "label"}, {"name": "scores", "parameters": {"classification": 5}}]
    answer = (await post(fixed(), json=request("a", outputs=wanted))).json()
    expected = outputs(
        ("label", "BYTES", [1], ["yes"]), ("scores", "BYTES", [1, 2], ["0.750000:1:yes", "0.250000:0:no"])
    )
    assert expected == answer["outputs"]
    assert "id" not in answer


async def test_the_highest_classes_come_first() -> None:
    """Of equal scores the first label comes first, and no more classes come than are asked for."""
    wanted = [{"name": "scores", "parameters": {"classification": 2}}]
    answer = (await post(fixed(MULTI, (0.5, 0.25, 0.5)), json=request("x", "y", outputs=wanted))).json()
    expected = outputs(("scores", "BYTES", [2, 2], ["0.500000:0:a", "0.500000:2:c"] * 2))
    assert expected == answer["outputs"]


async def test_tensors_travel_as_bytes_in_both_directions() -> None:
    """The header tells where the document ends; an output's own parameter counts before that of the request."""
    part = write_elements([b"a", b"b"])
    document = (
        b'{"inputs":[{"name":"text","shape":[2,1],"datatype":"BYTES","parameters":{"binary_data_size":%d}}],'
        b'"parameters":{"binary_data_output":true,"truncation":"head"},"outputs":[{"name":"label"},'
        b'{"name":"tokens","parameters":{"binary_data":false}},{"name":"truncated"},{"name":"scores"}]}' % len(part)
    )
    classifier = fixed()
    answer = await post(
        classifier, content=document + part, headers={"Inference-Header-Content-Length": str(len(document))}
    )
    assert [(["a", "b"], "head")] == [call[:2] for call in classifier.calls]
    length = int(answer.headers["inference-header-content-length"])
    described = httpx.Response(200, content=answer.content[:length]).json()["outputs"]
    assert [14, None, 2, 16] == [each.get("parameters", {}).get("binary_data_size") for each in described]
    assert [5, 5] == described[1]["data"]
    tail = answer.content[length:]
    assert [b"yes", b"yes"] == read_elements(tail[:14], 2)
    assert b"\1\1" == tail[14:16]
    assert np.array([0.25, 0.75] * 2, "<f4").tobytes() == tail[16:]
    assert "application/octet-stream" == answer.headers["content-type"]
    assert "inference;dur=" in answer.headers["server-timing"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"json": {}}, "inputs"),
        ({"content": b"{"}, "not JSON"),
        ({"json": request("a", outputs=[{"name": "logits"}])}, "output 'logits' is unknown; the outputs are scores, "),
        ({"json": request("a", outputs=[{"name": "label"}] * 2)}, "named twice"),
        ({"json": request("a", outputs=[{"name": "label", "parameters": {"classification": 1}}])}, "of scores alone"),
        ({"json": request("a", id=5)}, "id: "),
        ({"json": request("a", " ")}, "text 1: the text is empty"),
        ({"json": request("a", parameters={"truncation": "tail"})}, "truncation"),
        ({"json": request()}, "has no element"),
        ({"content": b"{}", "headers": {"Inference-Header-Content-Length": "3"}}, "is not the length"),
    ],
)
async def test_what_the_caller_did_wrong_is_400(sent: dict[str, Any], message: str) -> None:
    """The body has one key, the message."""
    answer = await post(fixed(), **sent)
    assert 400 == answer.status_code
    assert ["error"] == list(answer.json())
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v2/models/other/infer", "model 'other' is not served; 'fake' is"),
        ("/v2/models/fake/versions/8/infer", "version '8' of 'fake' is not served; '7' is"),
        ("/v2/models/fake/nothing", "POST /v2/models/fake/nothing"),
        ("/v2/nothing", "POST /v2/nothing"),
    ],
)
async def test_another_model_is_404(path: str, message: str) -> None:
    """So are another version and a path that is none, all in the protocol's shape."""
    answer = await post(fixed(), path=path, json=request("a"))
    assert 404 == answer.status_code
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("error", "status"), [(OverloadedError("full", 2.0), 429), (EngineFailedError("it broke"), 500)]
)
async def test_other_errors_keep_their_status(error: Exception, status: int) -> None:
    """With the protocol's body."""
    answer = await post(FakeClassifier(error), json=request("a"))
    assert (status, {"error": str(error)}) == (answer.status_code, answer.json())


async def test_too_many_texts_are_413() -> None:
    """The limit is that of every protocol."""
    answer = await post(fixed(), json=request(*"abcde"))
    assert (413, "the request has 5 texts, at most 4 are taken; send them in parts") == (
        answer.status_code,
        answer.json()["error"],
    )


async def test_health_needs_no_key_and_models_do() -> None:
    """Probes come from platforms that have none; with a key, everything answers 200."""
    key = {"authorization": "Bearer secret"}
    health, models = ["/v2/health/live", "/v2/health/ready"], ["/v2", "/v2/", "/v2/models/fake/ready"]
    async with serving(create_app(make_settings(api_key="secret"), fixed())) as client:
        without = [(await client.get(path)).status_code for path in (*health, *models)]
        answers = [await client.get(path, headers=key) for path in (*health, *models)]
        refused = await client.post(INFER, json=request("a"))
    assert [200, 200, 401, 401, 401] == without
    assert [200] * 5 == [answer.status_code for answer in answers]
    live, ready, server, same, model = (answer.json() for answer in answers)
    assert ({"live": True}, {"ready": True}, {"name": "fake", "ready": True}) == (live, ready, model)
    assert _Server.model_validate(server) == _Server.model_validate(same)
    assert (401, ["error"]) == (refused.status_code, list(refused.json()))


async def test_nothing_is_ready_while_the_server_drains() -> None:
    """Load balancers and KServe's client see 503; the server still lives."""
    app = create_app(make_settings(), fixed())
    async with serving(app) as client:
        app.state.lifecycle.draining = True
        paths = ("/v2/health/live", "/v2/health/ready", "/v2/models/fake/ready", "/v2")
        statuses = [(await client.get(path)).status_code for path in paths]
    assert [200, 503, 503, 503] == statuses


async def test_a_setting_turns_it_off() -> None:
    """Its routes answer 404."""
    async with serving(create_app(make_settings(protocols="none"), fixed())) as client:
        assert 404 == (await client.get("/v2/health/live")).status_code
