"""Errors: one table, one body."""

from collections.abc import Iterator

import httpx
import pytest

from server import errors
from server.app import create_app
from server.http.errors import STATUS
from tests.support.classifiers import FakeClassifier
from tests.support.serving import check_error, make_settings, serving

pytestmark = pytest.mark.anyio


def _kinds(base: type[errors.VerdictError]) -> Iterator[type[errors.VerdictError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


async def ask(error: Exception | None, method: str = "POST", path: str = "/predict") -> httpx.Response:
    """Send a good request to a server whose classifier raises the error."""
    async with serving(create_app(make_settings(), FakeClassifier(error))) as client:
        return await client.request(method, path, json={"text": "good"})


def test_the_table_is_complete() -> None:
    """Every domain error has a status, and the table has no error that does not exist."""
    assert set(_kinds(errors.VerdictError)) == set(STATUS)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.InvalidRequestError("why"), 422, "invalid_request"),
        (errors.MalformedBodyError("why"), 400, "invalid_request"),
        (errors.UnsupportedMediaTypeError("why"), 415, "invalid_request"),
        (errors.TooLargeError("why"), 413, "too_large"),
        (errors.UnauthorizedError("why"), 401, "unauthorized"),
        (errors.OverloadedError("why", 2.1), 429, "overloaded"),
        (errors.DrainingError("why"), 503, "draining"),
        (errors.NotReadyError("why"), 503, "not_ready"),
        (errors.TimedOutError("why"), 504, "timed_out"),
        (errors.SlowBodyError("why"), 408, "timed_out"),
        (errors.EngineFailedError("why"), 500, "engine_failed"),
        (errors.TextFailedError(3), 422, "text_failed"),
        (errors.ReloadFailedError("why"), 409, "reload_failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_every_kind_has_its_status(error: errors.VerdictError, status: int, kind: str) -> None:
    """A domain error is sent with its kind, its message and the status of the table."""
    assert str(error) == check_error(await ask(error), status, kind)


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (2.1, "3"), (90, "90")])
async def test_overload_tells_when_to_come_back(seconds: float, header: str) -> None:
    """Retry-After is in whole seconds, rounded up, and never zero."""
    assert header == (await ask(errors.OverloadedError("full", seconds))).headers["retry-after"]


async def test_a_missing_key_names_the_scheme() -> None:
    """A 401 names the authentication scheme, as HTTP requires."""
    assert "Bearer" == (await ask(errors.UnauthorizedError("who?"))).headers["www-authenticate"]


async def test_a_slow_body_ends_its_connection() -> None:
    """The rest of an abandoned body must not be read as the next request."""
    assert "close" == (await ask(errors.SlowBodyError("slow"))).headers["connection"]


async def test_a_bug_tells_nothing_internal(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception is a 500 with the usual body; its message is only in the log."""
    answer = await ask(KeyError("secret detail"))
    assert "secret" not in check_error(answer, 500, "engine_failed")
    assert "secret detail" in caplog.text
    assert answer.headers["x-request-id"] in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("PUT", "/predict/batch", "POST"),
        ("DELETE", "/predict", "POST"),
        ("OPTIONS", "/predict", "POST"),
        ("POST", "/health/ready", "GET"),
        ("POST", "/metrics", "GET"),
    ],
)
async def test_a_wrong_method_names_the_right_one(method: str, path: str, allowed: str) -> None:
    """Another method on a known route is 405 with Allow."""
    answer = await ask(None, method, path)
    assert f"{method} {path}" in check_error(answer, 405, "method_not_allowed")
    assert allowed == answer.headers["allow"]


@pytest.mark.parametrize("path", ["/predictt", "/predict/batch/1", "/Predict", "/%00", "/%ff", "/a//b"])
async def test_an_unknown_route_is_not_found(path: str) -> None:
    """The response has the error body for any path."""
    check_error(await ask(None, "POST", path), 404, "not_found")


async def test_an_unknown_route_is_quoted_in_a_few_characters() -> None:
    """The response shortens a path of thousands of characters."""
    assert len(check_error(await ask(None, "GET", "/" + "a" * 5000), 404, "not_found")) < 300


@pytest.mark.parametrize("host", ["[", "a b", "verdict.test:port", "::1", "\u00fc".encode(), ""])
async def test_a_nonsense_host_is_no_failure(host: str | bytes) -> None:
    """The Host header has no effect: with any value a known route answers and an unknown one is not found."""
    async with serving(create_app(make_settings(), FakeClassifier())) as client:
        assert 200 == (await client.get("/health/ready", headers={"host": host})).status_code
        check_error(await client.get("/nowhere", headers={"host": host}), 404, "not_found")
