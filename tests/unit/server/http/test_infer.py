"""Inference: the services that the server gives to every wire format."""

import pytest
from starlette.responses import Response

from server.app import create_app
from server.http.call import Call
from server.http.dependencies import get_classifier
from server.http.infer import infer
from server.http.json_body import JsonBody
from server.http.protocols.native import PredictRequest
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier
from tests.support.classifiers import FakeClassifier
from tests.support.serving import check_error, make_settings, reached

pytestmark = pytest.mark.anyio


async def test_a_blank_text_is_refused_in_every_format() -> None:
    """A format that checks no text itself, because its body is not JSON, gets the same answer."""
    binary = WireFormat("binary")

    @binary.post("/binary", body=JsonBody(PredictRequest), answer=dict)
    async def classify(call: Call, classifier: Classifier) -> Response:
        await infer(call, classifier, ["good", "\u200b"], None)
        raise AssertionError("unreachable")

    async with reached(create_app(make_settings(), FakeClassifier(), [binary])) as client:
        message = check_error(await client.post("/binary"), 422, "invalid_request")
    assert "text 1: the text is empty; send at least one visible character" == message


@pytest.mark.parametrize("overridden", [False, True], ids=["fast path", "FastAPI"])
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
async def test_server_timing_tells_each_time_by_its_name(path: str, *, overridden: bool) -> None:
    """1.2345 ms of tokenization, 10 ms in the queue and 500 ms of inference appear under these names."""
    classifier = FakeClassifier()
    app = create_app(make_settings(), classifier)
    if overridden:
        app.dependency_overrides[get_classifier] = lambda: classifier
    async with reached(app) as client:
        answer = await client.post(path, json={"texts": ["good"]} if path.endswith("batch") else {"text": "good"})
    timings = dict(stage.strip().split(";dur=") for stage in answer.headers["server-timing"].split(","))
    assert {"tokenize": "1.234", "queue": "10.000", "inference": "500.000"} == timings
