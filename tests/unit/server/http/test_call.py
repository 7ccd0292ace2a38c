"""Headers are read as Starlette reads them, only faster."""

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from server.http.call import header

NAMES = st.sampled_from([b"x-api-key", b"x-request-id", b"content-type", b"content-type-"])


@given(st.lists(st.tuples(NAMES, st.binary(max_size=8))), NAMES)
def test_a_header_is_what_starlette_says(headers: list[tuple[bytes, bytes]], name: bytes) -> None:
    """The first of several, an empty one, none: whatever came."""
    scope = {"type": "http", "headers": headers}
    assert Headers(scope=scope).get(name.decode()) == header(scope, name)
