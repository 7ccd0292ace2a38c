"""Response headers: the rules for browsers, caches and other sites."""

import httpx
import pytest

from server.app import create_app
from tests.support.classifiers import FakeClassifier
from tests.support.figures import read_figures
from tests.support.serving import check_error, make_settings, serving

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/predict", '{"text": "good"}', 200),
        ("POST", "/predict", '{"text": "<script>"', 400),
        ("GET", "/<script>", "", 404),
        ("GET", "/health/ready", "", 200),
        ("GET", "/metrics", "", 200),
        ("GET", "/openapi.json", "", 200),
    ],
)
async def test_no_answer_is_sniffed_or_kept(method: str, path: str, body: str, status: int) -> None:
    """Browsers must not interpret a caller's text as HTML, and caches must not keep scores or health."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        answer = await client.request(method, path, content=body)
    assert (status, "nosniff", "no-store") == (
        answer.status_code,
        answer.headers["x-content-type-options"],
        answer.headers["cache-control"],
    )


async def test_a_bug_is_answered_with_the_same_headers() -> None:
    """The response of last resort has the same headers."""
    async with serving(create_app(make_settings(), FakeClassifier(ValueError("inside")))) as client:
        answer = await client.post("/predict", json={"text": "good"})
    assert (500, "nosniff") == (answer.status_code, answer.headers["x-content-type-options"])


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("OPTIONS", 405)])
async def test_other_sites_are_not_let_in(method: str, status: int) -> None:
    """CORS is off by default: neither a response nor a preflight allows another origin."""
    headers = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        answer = await client.request(method, "/predict", json={"text": "good"}, headers=headers)
    assert status == answer.status_code
    assert [] == [name for name in answer.headers if name.startswith("access-control-")]


ORIGIN = "https://page.example"


async def ask_from(origin: str, method: str, *, allowed: str = ORIGIN, key: str = "") -> httpx.Response:
    """Send a request or a preflight, as a browser does for a page of that origin."""
    headers = {"origin": origin} | ({"x-api-key": key} if key else {})
    if method == "OPTIONS":
        headers |= {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
    app = create_app(make_settings(cors_origins=allowed, api_key="one"), FakeClassifier())
    async with serving(app) as client:
        return await client.request(method, "/predict", json={"text": "good"}, headers=headers)


async def test_pages_of_an_allowed_origin_may_ask() -> None:
    """A preflight needs no key and allows one to be sent; the browser may read errors and request ids."""
    preflight, answer = await ask_from(ORIGIN, "OPTIONS"), await ask_from(ORIGIN, "POST")
    assert (200, ORIGIN) == (preflight.status_code, preflight.headers["access-control-allow-origin"])
    assert "x-api-key" in preflight.headers["access-control-allow-headers"]
    check_error(answer, 401, "unauthorized")
    assert ORIGIN == answer.headers["access-control-allow-origin"]
    assert "x-request-id" in answer.headers["access-control-expose-headers"]


async def test_pages_of_an_allowed_origin_may_read_the_scores() -> None:
    """A prediction takes the fast path and has the CORS headers too."""
    answer = await ask_from(ORIGIN, "POST", key="one")
    assert (200, ORIGIN) == (answer.status_code, answer.headers["access-control-allow-origin"])
    assert "label" in answer.json()


async def test_pages_of_other_origins_may_not() -> None:
    """An origin that is not listed gets no CORS headers."""
    preflight, answer = (
        await ask_from("https://other.example", "OPTIONS"),
        await ask_from("https://other.example", "POST"),
    )
    assert 400 == preflight.status_code
    assert "access-control-allow-origin" not in {*preflight.headers, *answer.headers}
    assert "*" == (await ask_from("https://other.example", "POST", allowed="*")).headers["access-control-allow-origin"]


async def test_metrics_are_answered_while_draining() -> None:
    """The last figures reach Prometheus; predictions go to another server."""
    app = create_app(make_settings(), FakeClassifier())
    async with serving(app) as client:
        await app.state.lifecycle.drain(0)
        answer = await client.get("/metrics")
        check_error(await client.post("/predict", json={"text": "good"}), 503, "draining")
    assert (200, 0) == (answer.status_code, read_figures(answer.content)["verdict_ready"])
