"""Headers: how those of a request are read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from server.errors import InvalidRequestError
from server.http.headers import header, patience_s

NAMES = st.sampled_from([b"x-api-key", b"x-request-id", b"content-type", b"content-type-"])


@given(st.lists(st.tuples(NAMES, st.binary(max_size=8))), NAMES)
def test_a_header_is_what_starlette_says(headers: list[tuple[bytes, bytes]], name: bytes) -> None:
    """Returns the first of several values, an empty value, or none."""
    scope = {"type": "http", "headers": headers}
    assert Headers(scope=scope).get(name.decode()) == header(scope, name)


@pytest.mark.parametrize(("sent", "expected_s"), [(None, 30.0), ("1", 0.001), ("30000", 30.0), ("999999999", 30.0)])
def test_a_caller_waits_no_longer_than_the_server(sent: str | None, expected_s: float) -> None:
    """The shorter of the two times counts."""
    assert expected_s == patience_s(make_scope(sent), 30.0)


@pytest.mark.parametrize("sent", ["", "0", "-1", "1.5", "soon", "1000000000", "1" * 50])
def test_a_time_that_is_no_number_is_refused(sent: str) -> None:
    """The message names the header, quotes a few characters of the value and gives the allowed values."""
    with pytest.raises(InvalidRequestError) as caught:
        patience_s(make_scope(sent), 30.0)
    assert f"x-request-timeout-ms: {sent[:20]!r} is not a number of milliseconds; send 1 to 999999999" == str(
        caught.value
    )


def make_scope(timeout_ms: str | None) -> dict[str, Any]:
    """Return the scope of a request with this timeout."""
    headers = [(b"x-request-timeout-ms", timeout_ms.encode())] if timeout_ms is not None else []
    return {"type": "http", "headers": headers}
