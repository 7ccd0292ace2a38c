"""Binary tensors: what is written is read, and bytes that lie about their lengths are refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import InvalidRequestError
from server.http.protocols.open_inference.binary import read_elements, write_elements


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_what_is_written_is_read(elements: list[bytes]) -> None:
    """Any bytes, the empty ones too, come back as they were."""
    assert elements == read_elements(write_elements(elements), len(elements))


@given(st.binary(max_size=60), st.integers(0, 8))
def test_any_bytes_are_elements_or_refused(data: bytes, count: int) -> None:
    """What is accepted is exactly the bytes that its elements are written as: none is lost, none is read twice."""
    try:
        elements = read_elements(data, count)
    except InvalidRequestError:
        return
    assert (count, data) == (len(elements), write_elements(elements))


@pytest.mark.parametrize(
    ("data", "count", "message"),
    [
        (b"", 1, "the tensor's 0 bytes end after 0 of 1 elements"),
        (b"\1\0\0", 1, "the tensor's 3 bytes end after 0 of 1 elements"),
        (struct.pack("<I", 2) + b"a", 1, "element 0 is announced with 2 bytes, and 1 are left of the tensor"),
        (struct.pack("<I", 2**32 - 1) + b"a", 1, "element 0 is announced with 4294967295 bytes, and 1 are left"),
        (write_elements([b"a", b"b"]), 1, "the tensor has 5 bytes behind its 1 elements"),
        (write_elements([b"a"]), 2, "the tensor's 5 bytes end after 1 of 2 elements"),
        (write_elements([b"a"]), 10**18, "the tensor's 5 bytes end after 1 of"),
        (b"a", 0, "the tensor has 1 bytes behind its 0 elements"),
    ],
)
def test_a_length_that_lies_is_named(data: bytes, count: int, message: str) -> None:
    """The message says which element, and how many bytes are missing or left."""
    with pytest.raises(InvalidRequestError, match=message):
        read_elements(data, count)
