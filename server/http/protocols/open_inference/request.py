"""Requests: a JSON document, with or without the bytes of its tensors behind it -> texts or pairs.

The header ``Inference-Header-Content-Length`` says where the document ends and the bytes begin, in the inflated body.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, StrictBool, StrictInt

from artifact.manifest import TextOrPair, Truncation
from server.errors import InvalidRequestError, NoTextError, UnsupportedMediaTypeError
from server.http.call import Call
from server.http.infer import check_count
from server.http.json_body import JsonBody
from server.http.protocols.open_inference.binary import read_elements
from server.settings import Settings

HEADER_LENGTH: Final = b"inference-header-content-length"
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_BINARY: Final = "application/octet-stream"
_TEXT, _PAIR = "text", "text_pair"

Size = Annotated[StrictInt, Field(ge=0)]


class InputParameters(BaseModel):
    """Parameters of an input; unknown ones are ignored."""

    binary_data_size: Size | None = Field(default=None, description="bytes of this tensor behind the JSON document")


class InputTensor(BaseModel):
    """A tensor of texts: ``text``, and ``text_pair`` for a model that reads pairs."""

    name: str
    shape: list[Size] = Field(min_length=1, description="[n] or [n, 1]")
    datatype: str = Field(description="BYTES")
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = Field(default=None, description="the texts, flat or each in a list of its own")


class OutputParameters(BaseModel):
    """Parameters of a requested output; unknown ones are ignored."""

    binary_data: StrictBool | None = Field(default=None, description="whether to send the tensor behind the document")
    classification: Size = Field(
        default=0, description="of scores: so many of the highest, each as score:index:label; 0 for all as numbers"
    )


class RequestedOutput(BaseModel):
    """An output that the answer should have."""

    name: str
    parameters: OutputParameters = OutputParameters()


class RequestParameters(BaseModel):
    """Parameters of a request; unknown ones are ignored."""

    binary_data_output: StrictBool = Field(default=False, description="binary_data of the outputs that do not say it")
    truncation: Truncation | None = Field(
        default=None,
        description="how a text longer than the model's max_length is read; the default is the model's own",
    )


class InferenceRequest(BaseModel):
    """The JSON document of an inference request."""

    model_config = {
        "json_schema_extra": {
            "examples": [{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Wonderful."]}]}]
        }
    }

    id: str | None = None
    parameters: RequestParameters = RequestParameters()
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] = Field(default=[], description="all outputs where none is named")


class InferenceBody:
    """Bodies of inference requests."""

    def __init__(self) -> None:
        self._json = JsonBody(InferenceRequest)

    async def read(self, call: Call) -> tuple[InferenceRequest, bytes]:
        """Return the document of a call, and the bytes behind it.

        Raises:
            UnsupportedMediaTypeError: if ``content-type`` is neither JSON nor ``application/octet-stream``.
            InvalidRequestError: if the document or its length is wrong.
            VerdictError: as ``Call.body``.
        """
        check_media_type(call.header(b"content-type"))
        return self.split(await call.body(), call.header(HEADER_LENGTH))

    def split(self, body: bytes, announced: str | None) -> tuple[InferenceRequest, bytes]:
        """Return the document of a body, and the bytes behind it.

        Args:
            body: inflated.
            announced: the header with the length of the document; None: the body is the document.

        Raises:
            InvalidRequestError: if the document or its length is wrong.
        """
        if announced is None:
            return self._json.parse(body), b""
        if not _NUMBER.fullmatch(announced) or int(announced) > len(body):
            raise InvalidRequestError(
                f"{HEADER_LENGTH.decode()}: {announced[:20]!r} is not the length of a JSON document in the body "
                f"of {len(body)} bytes"
            )
        length = int(announced)
        return self._json.parse(body[:length]), body[length:]

    def openapi(self) -> dict[str, Any]:
        """Return the ``requestBody`` for the OpenAPI document."""
        document = self._json.openapi()
        document["requestBody"]["content"][_BINARY] = {"schema": {"type": "string", "format": "binary"}}
        return document


def check_media_type(content_type: str | None) -> None:
    """Let JSON, ``application/octet-stream`` and no media type at all through: clients send all three.

    Raises:
        UnsupportedMediaTypeError: if it is another one.
    """
    media_type = (content_type or _BINARY).partition(";")[0].strip().lower()
    if media_type not in (_BINARY, "application/json") and not media_type.endswith("+json"):
        raise UnsupportedMediaTypeError(
            f"the body is announced as {media_type!r:.60}; send application/json, or {_BINARY} with binary tensors"
        )


def read_texts(inputs: Sequence[InputTensor], tail: bytes, settings: Settings) -> Sequence[TextOrPair]:
    """Return the texts, or the pairs, of a request's tensors.

    Args:
        inputs: of the document.
        tail: the bytes behind the document: those of the binary tensors, in the order of the inputs.
        settings: the limit of texts is checked before elements are read.

    Raises:
        InvalidRequestError: if a name, a datatype, a shape or the data of a tensor is wrong, or bytes are left.
        NoTextError: if the tensors have no element.
        TooLargeError: if they have too many.
    """
    columns: dict[str, list[str]] = {}
    start = 0
    for tensor in inputs:
        _check(tensor, columns, settings)
        size = tensor.parameters.binary_data_size
        if size is None:
            columns[tensor.name] = _json_texts(tensor)
            continue
        if size > len(tail) - start:
            raise _invalid(
                tensor, f"binary_data_size is {size!s:.20}, and {len(tail) - start} bytes are left of the body"
            )
        columns[tensor.name] = _binary_texts(tensor, tail[start : start + size])
        start += size
    if start != len(tail):
        raise InvalidRequestError(f"the body has {len(tail) - start} bytes behind its tensors")
    return _rows(columns)


def _rows(columns: dict[str, list[str]]) -> Sequence[TextOrPair]:
    texts, pairs = columns.get(_TEXT), columns.get(_PAIR)
    if texts is None:
        raise InvalidRequestError(f"the input {_TEXT!r} is missing; send one BYTES tensor of that name")
    if not texts:
        raise NoTextError(f"the input {_TEXT!r} has no element; send at least one")
    if pairs is None:
        return texts
    if len(pairs) != len(texts):
        raise InvalidRequestError(
            f"{_TEXT} has {len(texts)} and {_PAIR} {len(pairs)} elements; send one {_PAIR} for each {_TEXT}"
        )
    return list(zip(texts, pairs, strict=True))


def _check(tensor: InputTensor, columns: dict[str, list[str]], settings: Settings) -> None:
    """Check everything about a tensor except its data."""
    if tensor.name not in (_TEXT, _PAIR):
        raise InvalidRequestError(f"input {tensor.name!r:.60} is unknown; the inputs are {_TEXT} and {_PAIR}")
    if tensor.name in columns:
        raise _invalid(tensor, "is sent twice")
    if tensor.datatype != "BYTES":
        raise _invalid(tensor, f"its datatype is {tensor.datatype!r:.20}; send BYTES")
    if len(tensor.shape) > 2 or tensor.shape[1:] not in ([], [1]):  # noqa: PLR2004 - [n] or [n, 1]
        raise _invalid(tensor, f"its shape is {tensor.shape!s:.60}; send [n] or [n, 1]")
    if (tensor.data is None) == (tensor.parameters.binary_data_size is None):
        raise _invalid(tensor, "send either data or the parameter binary_data_size")
    check_count(tensor.shape[0], settings)


def _json_texts(tensor: InputTensor) -> list[str]:
    elements = list(_flat(tensor.data or []))
    if len(elements) != tensor.shape[0]:
        raise _invalid(tensor, f"its shape promises {tensor.shape[0]} elements, and data has {len(elements)}")
    for index, element in enumerate(elements):
        if not isinstance(element, str):
            raise _invalid(tensor, f"element {index} is {element!r:.40}; send a string")
    return elements


def _flat(data: list[Any]) -> Iterator[Any]:
    """Yield the elements of [n], or of [n, 1]."""
    return itertools.chain.from_iterable(each if isinstance(each, list) else (each,) for each in data)


def _binary_texts(tensor: InputTensor, data: bytes) -> list[str]:
    try:
        return [element.decode() for element in read_elements(data, tensor.shape[0])]
    except InvalidRequestError as error:
        raise _invalid(tensor, str(error)) from None
    except UnicodeDecodeError as error:
        raise _invalid(tensor, f"it is not UTF-8: {error.reason}") from None


def _invalid(tensor: InputTensor, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"input {tensor.name}: {problem}")
