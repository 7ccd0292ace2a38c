"""Vertex AI's format: the platform's paths, instances and predictions."""

from typing import Any

import httpx
import pytest

from server.app import create_app
from server.settings import SettingsError, read_settings
from tests.support.classifiers import FakeClassifier
from tests.support.serving import make_settings, reached

PREDICT = "/v1/endpoints/1/deployedModels/2:predict"
GOOD = [{"label": "positive", "score": 0.875}, {"label": "negative", "score": 0.125}]
BAD = [{"label": "negative", "score": 0.75}, {"label": "positive", "score": 0.25}]


async def ask(body: Any, path: str = PREDICT, **routes: str) -> httpx.Response:
    """Post a body as JSON to a server that runs on the platform."""
    settings = make_settings(**({"AIP_PREDICT_ROUTE": PREDICT, "AIP_HEALTH_ROUTE": "/healthy"} | routes))
    async with reached(create_app(settings, FakeClassifier())) as client:
        return await (client.get(path) if body is None else client.post(path, json=body))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("instances", "parameters", "predictions"),
    [
        (["good", "bad"], None, [GOOD, BAD]),
        ([{"text": "good"}], {}, [GOOD]),
        ([{"inputs": "good"}, {"inputs": {"text": "bad"}}], {"top_k": 1}, [GOOD[:1], BAD[:1]]),
    ],
)
async def test_every_instance_has_a_prediction(instances: Any, parameters: Any, predictions: Any) -> None:
    """A ranking of the labels, in the order of the instances."""
    answer = await ask({"instances": instances, "parameters": parameters})
    assert (200, {"predictions": predictions}) == (answer.status_code, answer.json())


@pytest.mark.anyio
@pytest.mark.parametrize("body", [{}, {"instances": []}, {"instances": "good"}, {"instances": [5]}])
async def test_a_wrong_body_is_refused_in_the_format(body: Any) -> None:
    """An error is one string."""
    answer = await ask(body)
    assert (422, {"error"}) == (answer.status_code, set(answer.json()))


@pytest.mark.anyio
async def test_the_platform_finds_its_health_route() -> None:
    """It may also be a route that is there anyway."""
    assert (200, b"") == ((answer := await ask(None, "/healthy")).status_code, answer.content)
    assert 200 == (await ask(None, "/ping", AIP_HEALTH_ROUTE="/ping")).status_code


@pytest.mark.anyio
async def test_the_platform_may_take_the_path_of_another_route() -> None:
    """Then requests on it are the platform's."""
    answer = await ask({"instances": ["good"]}, "/predict", AIP_PREDICT_ROUTE="/predict")
    assert {"predictions": [GOOD]} == answer.json()


@pytest.mark.anyio
async def test_without_the_platform_there_are_no_such_routes() -> None:
    """The variables are what turns them on."""
    answer = await ask({"instances": ["good"]}, AIP_PREDICT_ROUTE="", AIP_HEALTH_ROUTE="")
    assert 404 == answer.status_code


def test_the_platforms_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port too, unless it is set; a path that is none is refused by name."""
    monkeypatch.setenv("PORT", "7000")
    monkeypatch.setenv("AIP_HTTP_PORT", "7001")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", PREDICT)
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/healthy")
    settings = read_settings()
    assert (7001, PREDICT, "/healthy") == (
        settings.port,
        settings.vertex_predict_route,
        settings.vertex_health_route,
    )
    monkeypatch.setenv("VERDICT_PORT", "7002")
    assert 7002 == read_settings().port
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "healthy")
    with pytest.raises(SettingsError, match=r"^AIP_HEALTH_ROUTE='healthy' can not be used"):
        read_settings()
