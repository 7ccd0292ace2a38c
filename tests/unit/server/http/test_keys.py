"""API keys: access control."""

import pytest

from server.app import create_app
from tests.support.classifiers import FakeClassifier
from tests.support.serving import check_error, make_settings, serving

pytestmark = pytest.mark.anyio

KEYS = "first-key, s\u00e9cond-key ,"


async def ask(headers: dict[str, str | bytes], path: str = "/predict", keys: str = KEYS) -> int:
    """Send a good request and return the status; a 401 is checked."""
    app = create_app(make_settings(api_key=keys), FakeClassifier())
    async with serving(app) as client:
        method = "POST" if path.startswith("/predict") else "GET"
        body = {"texts": ["good"]} if path == "/predict/batch" else {"text": "good"}
        answer = await client.request(method, path, json=body, headers=headers)
    if answer.status_code == 401:
        check_error(answer, 401, "unauthorized")
        assert [] == app.state.classifier.calls
        for key in KEYS.split(","):
            assert not key.strip() or key.strip() not in answer.text
    return answer.status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first-key"},
        {"authorization": "bearer first-key"},
        {"authorization": "Bearer  first-key "},
        {"authorization": "Bearer s\u00e9cond-key".encode()},
        {"x-api-key": "first-key"},
        {"x-api-key": "s\u00e9cond-key".encode()},
        {"x-api-key": "first-key", "authorization": "Basic dTpw"},
        {"x-api-key": "first-key", "authorization": "Bearer of-the-platform"},
        {"x-api-key": "of-the-platform", "authorization": "Bearer first-key"},
    ],
)
async def test_any_of_the_keys_opens_in_either_header(headers: dict[str, str | bytes]) -> None:
    """During a rotation each key is valid, as a bearer token or in its own header, whatever the other header holds."""
    assert 200 == await ask(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "first-key"},
        {"authorization": "Basic first-key"},
        {"authorization": "Bearer first-key2"},
        {"authorization": "Bearer first-ke"},
        {"authorization": "Bearer FIRST-KEY"},
        {"authorization": "Bearer first-key,s\u00e9cond-key".encode()},
        {"authorization": f"Bearer {KEYS}".encode()},
        {"authorization": "Bearer wrong", "x-api-key": "wrong"},
        {"authorization": "Basic first-key", "x-api-key": "wrong"},
        {"x-api-key": ""},
        {"x-api-key": "\u0444".encode()},
    ],
)
async def test_anything_else_does_not(headers: dict[str, str | bytes]) -> None:
    """No key, half a key, all keys at once and the right key in the wrong place are refused alike."""
    assert 401 == await ask(headers)


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/info", "/metrics"])
async def test_what_tells_or_costs_something_needs_a_key(path: str) -> None:
    """Predictions, model information and metrics require the key."""
    assert 401 == await ask({}, path)
    assert 200 == await ask({"x-api-key": "first-key"}, path)


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health_needs_no_key(path: str) -> None:
    """Liveness probes of a platform need no key."""
    assert 200 == await ask({}, path)


async def test_without_keys_the_api_is_open() -> None:
    """Without a key the server is open to every client that reaches it."""
    app = create_app(make_settings(), FakeClassifier())
    async with serving(app) as client:
        assert 200 == (await client.post("/predict", json={"text": "good"})).status_code


async def test_a_refused_caller_learns_nothing_of_its_body() -> None:
    """Without the key an invalid body gets 401, like a valid one."""
    app = create_app(make_settings(api_key=KEYS), FakeClassifier())
    async with serving(app) as client:
        check_error(await client.post("/predict", content=b"{nonsense"), 401, "unauthorized")
