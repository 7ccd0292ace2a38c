"""Inference: the services that the server gives to every wire format."""

import pytest

from server.app import create_app
from server.http.dependencies import get_classifier
from tests.support.classifiers import FakeClassifier
from tests.support.serving import make_settings, reached

pytestmark = pytest.mark.anyio


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
