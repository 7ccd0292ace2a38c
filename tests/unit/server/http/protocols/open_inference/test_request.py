"""Requests of the Open Inference Protocol: which bodies become texts, and what is said of the others."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.manifest import TextOrPair
from server.errors import InvalidRequestError, NoTextError, TooLargeError, UnsupportedMediaTypeError
from server.http.protocols.open_inference.binary import write_elements
from server.http.protocols.open_inference.request import InferenceBody, check_media_type, read_texts
from tests.support.serving import make_settings

BODY = InferenceBody()
LIMIT = 8
SETTINGS = make_settings(max_items_per_request=LIMIT)


def tensor(data: Any, name: str = "text", datatype: str = "BYTES", **changes: Any) -> dict[str, Any]:
    """Return a tensor with its data in the document."""
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data} | changes


def texts_of(document: dict[str, Any], tail: bytes = b"") -> list[TextOrPair]:
    """Return the texts of a body with this document and these bytes behind it."""
    head = json.dumps(document).encode()
    request, rest = BODY.split(head + tail, str(len(head)))
    return list(read_texts(request.inputs, rest, SETTINGS))


@pytest.mark.parametrize(
    ("inputs", "texts"),
    [
        ([tensor(["a", "b"])], ["a", "b"]),
        ([tensor(["a", "b"], shape=[2, 1])], ["a", "b"]),
        ([tensor([["a"], ["b"]], shape=[2, 1])], ["a", "b"]),
        ([tensor(["a"]), tensor(["b"], "text_pair")], [("a", "b")]),
        ([tensor(["b"], "text_pair", parameters={"content_type": "str"}), tensor(["a"])], [("a", "b")]),
    ],
)
def test_texts_are_read_from_the_document(inputs: list[Any], texts: list[TextOrPair]) -> None:
    """Flat or nested, alone or in pairs; parameters that the server does not know are ignored."""
    assert texts == texts_of({"inputs": inputs})


@given(st.lists(st.text(max_size=20), min_size=1, max_size=LIMIT), st.booleans())
def test_texts_are_read_from_the_bytes_behind_it(texts: list[str], nested: bool) -> None:
    """Any Unicode arrives as it was sent; each tensor has the bytes at its place in the order of the inputs."""
    parts = [write_elements(map(str.encode, each)) for each in (texts, texts[::-1])]
    shape = [len(texts), 1] if nested else [len(texts)]
    inputs = [
        {"name": name, "shape": shape, "datatype": "BYTES", "parameters": {"binary_data_size": len(part)}}
        for name, part in zip(("text_pair", "text"), parts, strict=True)
    ]
    assert list(zip(texts[::-1], texts, strict=True)) == texts_of({"inputs": inputs}, b"".join(parts))


def test_one_tensor_may_be_binary_and_the_other_not() -> None:
    """Clients choose for each tensor."""
    part = write_elements([b"b"])
    binary = {"name": "text_pair", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(part)}}
    assert [("a", "b")] == texts_of({"inputs": [tensor(["a"]), binary]}, part)


BINARY = {"name": "text", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}}
ONE = write_elements([b"a"])


@pytest.mark.parametrize(
    ("inputs", "tail", "message"),
    [
        ([], b"", "the input 'text' is missing"),
        ([tensor(["a"], "text_pair")], b"", "the input 'text' is missing"),
        ([tensor(["a"], "words")], b"", "input 'words' is unknown; the inputs are text and text_pair"),
        ([tensor(["a"]), tensor(["a"])], b"", "input text: is sent twice"),
        ([tensor([1.0], datatype="FP32")], b"", "its datatype is 'FP32'; send BYTES"),
        ([tensor([1])], b"", "element 0 is 1; send a string"),
        ([tensor([None])], b"", "element 0 is None; send a string"),
        ([tensor([["a", ["b"]]], shape=[2])], b"", r"element 1 is \['b'\]; send a string"),
        ([tensor(["a", "b"], shape=[1, 2])], b"", r"its shape is \[1, 2\]; send \[n\] or \[n, 1\]"),
        ([tensor(["a"], shape=[1, 1, 1])], b"", r"its shape is \[1, 1, 1\]"),
        ([tensor(["a"], shape=[])], b"", "inputs.0.shape"),
        ([tensor(["a"], shape=[-1])], b"", "inputs.0.shape.0"),
        ([tensor(["a"], shape=[True])], b"", "inputs.0.shape.0"),
        ([tensor(["a"], shape=[2])], b"", "its shape promises 2 elements, and data has 1"),
        ([tensor(["a"]) | {"data": None}], b"", "send either data or the parameter binary_data_size"),
        ([tensor(["a"], parameters={"binary_data_size": 5})], ONE, "send either data or the parameter"),
        ([BINARY | {"parameters": {"binary_data_size": -1}}], ONE, "binary_data_size"),
        ([BINARY | {"parameters": {"binary_data_size": 10**30}}], ONE, "binary_data_size is 1000.*, and 5 bytes are"),
        ([BINARY], b"", "binary_data_size is 5, and 0 bytes are left of the body"),
        ([BINARY], ONE + b"x", "the body has 1 bytes behind its tensors"),
        ([tensor(["a"])], b"x", "the body has 1 bytes behind its tensors"),
        ([BINARY], write_elements([b"\xff"]), "input text: it is not UTF-8: invalid start byte"),
        ([BINARY], b"\xff\xff\xff\xff?", "input text: element 0 is announced with 4294967295 bytes, and 1 are left"),
        ([tensor(["a", "b"]), tensor(["c"], "text_pair")], b"", "text has 2 and text_pair 1 elements"),
    ],
)
def test_a_wrong_tensor_is_named(inputs: list[Any], tail: bytes, message: str) -> None:
    """The message says which input, and what to send."""
    with pytest.raises(InvalidRequestError, match=message):
        texts_of({"inputs": inputs}, tail)


def test_no_text_and_too_many_are_told_apart() -> None:
    """A shape over the limit is refused before the bytes are read."""
    with pytest.raises(NoTextError):
        texts_of({"inputs": [tensor([])]})
    with pytest.raises(TooLargeError, match=r"has 10000.* texts, at most 8 are taken"):
        texts_of({"inputs": [BINARY | {"shape": [10**30]}]}, ONE)


@pytest.mark.parametrize("announced", ["", "-1", "+5", "1e2", "0x10", " 2", "999", "9" * 400, "٣"])
def test_a_length_that_is_none_is_refused(announced: str) -> None:
    """Only digits that stand for a place in the body."""
    with pytest.raises(InvalidRequestError, match="is not the length of a JSON document in the body of 13 bytes"):
        BODY.split(b'{"inputs":[]}', announced)


def test_a_document_may_begin_with_a_byte_order_mark() -> None:
    """As bodies of the native protocol."""
    request, tail = BODY.split(b'\xef\xbb\xbf{"inputs":[]}', None)
    assert ([], b"") == (request.inputs, tail)


@pytest.mark.parametrize("media_type", [None, "application/json", "Application/JSON; charset=utf-8", "a/b+json"])
def test_json_and_no_media_type_are_taken(media_type: str | None) -> None:
    """Triton's client sends none, its asyncio one sends application/octet-stream for JSON as well."""
    check_media_type(media_type)
    check_media_type("application/octet-stream")


def test_other_media_types_are_refused() -> None:
    """They are a mistake."""
    with pytest.raises(UnsupportedMediaTypeError, match="announced as 'text/csv'"):
        check_media_type("text/csv")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=6,
)
SIZES = st.integers(-2, 40) | st.sampled_from([2**31, 2**63, 2**64, 10**30]) | JSON
TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["text", "text", "text_pair", "x"]),
        "shape": st.lists(SIZES, max_size=3) | st.integers(0, 3).map(lambda n: [n]),
        "datatype": st.sampled_from(["BYTES", "BYTES", "FP32"]),
    },
    optional={"parameters": st.fixed_dictionaries({}, optional={"binary_data_size": SIZES}) | JSON, "data": JSON},
)


@given(
    st.fixed_dictionaries({"inputs": st.lists(TENSORS, max_size=3) | JSON}),
    st.binary(max_size=40) | st.lists(st.binary(max_size=9), max_size=4).map(write_elements),
    st.none() | st.integers(-3, 200).map(str),
)
def test_any_body_becomes_texts_or_an_error_of_the_caller(
    document: dict[str, Any], tail: bytes, announced: str | None
) -> None:
    """Lengths that lie, overflow or leave bytes over never become an error of the server, or a text not sent."""
    head = json.dumps(document).encode()
    try:
        request, rest = BODY.split(head + tail, announced or str(len(head)))
        texts = read_texts(request.inputs, rest, SETTINGS)
    except (InvalidRequestError, TooLargeError):
        return
    sent = {each["name"]: each["shape"][0] for each in document["inputs"]}
    assert sent["text"] == len(texts)
