"""Operations: health, model information, metrics, the OpenAPI document."""

import httpx
import pytest

from server.app import create_app
from server.observe.metrics import Metrics
from tests.support.classifiers import FakeClassifier
from tests.support.figures import read_figures
from tests.support.serving import check_error, make_settings, reached, serving

pytestmark = pytest.mark.anyio

READ = ["/health/live", "/health/ready", "/info", "/metrics", "/openapi.json", "/docs", "/docs/start.js"]


@pytest.mark.parametrize("path", READ)
async def test_head_answers_like_get_without_the_body(path: str) -> None:
    """Monitors and ``curl -I`` ask so; status and headers are the same, and the connection stays open."""
    async with reached(create_app(make_settings(), FakeClassifier())) as client:
        expected = await client.get(path)
        for _ in range(2):
            answer = await client.head(path)
            assert (200, b"") == (answer.status_code, answer.content)
            assert set(expected.headers) == set(answer.headers)
            assert expected.headers["content-type"] == answer.headers["content-type"]


async def test_head_of_a_route_that_only_posts_is_no_method() -> None:
    """There is nothing to read."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        answer = await client.head("/predict")
    assert (405, "POST", b"") == (answer.status_code, answer.headers["allow"], answer.content)


PROMISED = {
    "requests": {"route", "status"},
    "request_duration_seconds": {"route"},
    "texts": {"outcome"},
    "shed": {"reason"},
    "queue_depth_texts": set(),
    "queue_tokens": set(),
    "in_flight_texts": set(),
    "queue_wait_seconds": set(),
    "tokenize_seconds": set(),
    "inference_seconds": set(),
    "batch_texts": set(),
    "batch_padded_tokens": set(),
    "truncated_texts": set(),
    "unknown_tokens": set(),
    "predictions": {"label"},
    "ready": set(),
    "model_info": {"name", "version", "quantization"},
}


async def test_a_classifier_of_code_has_no_card() -> None:
    """The card belongs to an artifact; another one that lies on the disk is not shown in its place."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        check_error(await client.get("/card"), 404, "not_found")


async def test_readiness_follows_the_life_of_the_process() -> None:
    """Not ready before the model has started, ready then, draining at the end; the gauge says the same."""
    app = create_app(make_settings(), FakeClassifier())
    lifecycle, metrics = app.state.lifecycle, app.state.metrics
    async with serving(app) as client:
        assert {"status": "ready"} == (await client.get("/health/ready")).json()
        assert {"status": "live"} == (await client.get("/health/live")).json()
        assert 1 == read_figures(metrics.render())["verdict_ready"]
        await lifecycle.drain(0)
        check_error(await client.get("/health/ready"), 503, "draining")
        assert 0 == read_figures(metrics.render())["verdict_ready"]
    assert ["start", "close"] == app.state.classifier.events


async def test_before_the_model_has_started_the_server_is_not_ready() -> None:
    """A request before the server is ready is asked to retry later."""
    app = create_app(make_settings(), FakeClassifier())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://verdict.test") as client:
        check_error(await client.get("/health/ready"), 503, "not_ready")
        assert 200 == (await client.get("/health/live")).status_code


async def test_info_tells_model_limits_runtime_and_cpu() -> None:
    """The response has the model, the limits, the software and the machine, but no key and no path."""
    settings = make_settings(api_key="hidden-key", max_text_chars=1234, inference_workers=3)
    async with serving(create_app(settings, FakeClassifier())) as client:
        answer = await client.get("/info", headers={"x-api-key": "hidden-key"})
    document = answer.json()
    assert {"model", "limits", "runtime", "cpu"} == set(document)
    assert ("fake", "7", ["negative", "positive"], 64, "none", "head") == tuple(
        document["model"][name] for name in ("name", "version", "labels", "max_length", "quantization", "truncation")
    )
    assert 1234 == document["limits"]["max_text_chars"]
    assert (3, 128) == (document["runtime"]["inference_workers"], document["runtime"]["max_batch_tokens"])
    assert {"model", "vcpus", "int8"} == set(document["cpu"])
    assert "hidden-key" not in answer.text


def test_metric_names_and_labels_are_the_promised_ones() -> None:
    """Dashboards depend on every name and label: all documented ones exist, under the prefix."""
    families = {family.name: family for family in Metrics()._registry.collect()}
    declared = {name: set(metric._labelnames) for name, metric in _declared(Metrics()).items()}
    assert {f"verdict_{name}" for name in PROMISED} <= set(families)
    assert PROMISED == {name: declared[f"verdict_{name}"] for name in PROMISED}


async def test_metrics_are_in_prometheus_text_format() -> None:
    """The page parses, names the model and counts the requests."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        await client.post("/predict", json={"text": "good"})
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    figures = read_figures(answer.content)
    assert 1 == figures["verdict_model_info{name=fake,quantization=none,version=7}"]
    assert 1 == figures["verdict_requests_total{route=/predict,status=200}"]
    assert not [name for name in figures if name.endswith("_created")]


async def test_the_openapi_document_names_bodies_answers_and_errors() -> None:
    """Both routes show the schema of their body, their answer and every status an error can have."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        document = (await client.get("/openapi.json")).json()
    assert {"LabelPrediction", "BatchAnswer", "ErrorBody"} <= set(document["components"]["schemas"])
    for path, body, answer in (
        ("/predict", "PredictRequest", "LabelPrediction"),
        ("/predict/batch", "PredictBatchRequest", "BatchAnswer"),
    ):
        operation = document["paths"][path]["post"]
        assert body == operation["requestBody"]["content"]["application/json"]["schema"]["title"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert f"#/components/schemas/{answer}" == schema["$ref"]
        for status in ("400", "401", "413", "415", "422", "429", "500", "503", "504"):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert "#/components/schemas/ErrorBody" == schema["$ref"]
        assert "499" not in operation["responses"]


def _declared(metrics: Metrics) -> dict[str, object]:
    found = [value for value in vars(metrics).values() if hasattr(value, "_labelnames")]
    return {metric.describe()[0].name: metric for metric in found}
