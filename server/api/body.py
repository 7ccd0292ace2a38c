"""Bodies: bytes from the wire -> a validated request, or a domain error that says what is wrong.

The size is enforced while reading, so that a body without ``content-length`` can not fill the memory.
"""

import asyncio
import json
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from server.api.headers import header
from server.errors import (
    CallerGoneError,
    InvalidRequestError,
    MalformedBodyError,
    OverloadedError,
    SlowBodyError,
    TooLargeError,
    UnsupportedMediaTypeError,
)

Model = TypeVar("Model", bound=BaseModel)

_BODIES_AT_ONCE: Final = 8
"""Bodies of the largest size that may be arriving at the same time."""
_DESCRIBED_ERRORS: Final = 100


class Bodies:
    """Read bodies: each within its size and time, all at once within a multiple of that size.

    Args:
        max_body_bytes: of one body.
        timeout_s: for one body to arrive.
    """

    def __init__(self, max_body_bytes: int, timeout_s: float) -> None:
        self._max_body_bytes = max_body_bytes
        self._timeout_s = timeout_s
        self._held_bytes = 0

    async def read(self, request: Request) -> bytes:
        """Return the whole body.

        Raises:
            TooLargeError: if it is larger than the setting ``max_body_bytes``.
            OverloadedError: if the bodies that are arriving hold too much memory together.
            SlowBodyError: if it takes longer than the setting ``request_timeout_s`` to arrive.
            CallerGoneError: if the caller disconnects meanwhile.
        """
        announced = header(request.scope, b"content-length") or ""
        if announced.isdecimal() and int(announced) > self._max_body_bytes:
            raise self._too_large(f"{announced} bytes")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._collect(request)
        except TimeoutError:
            raise SlowBodyError(
                f"the body did not arrive in {self._timeout_s:g} s; send it faster or in smaller parts"
            ) from None

    async def _collect(self, request: Request) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            more = True
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise CallerGoneError("the caller disconnected before its body was complete")
                chunk, more = message.get("body", b""), message.get("more_body", False)
                size += len(chunk)
                self._held_bytes += len(chunk)
                if size > self._max_body_bytes:
                    raise self._too_large("more bytes than that")
                if self._held_bytes > _BODIES_AT_ONCE * self._max_body_bytes:
                    raise OverloadedError(
                        f"bodies of {self._held_bytes} bytes are arriving, at most "
                        f"{_BODIES_AT_ONCE * self._max_body_bytes} are held; retry in a second",
                        retry_after_s=1.0,
                    )
                chunks.append(chunk)
        finally:
            self._held_bytes -= size
        return b"".join(chunks)

    def _too_large(self, size: str) -> TooLargeError:
        return TooLargeError(
            f"the body has {size}, at most {self._max_body_bytes} bytes are read; send fewer or shorter texts"
        )


class JsonBody(Generic[Model]):
    """Read a JSON body into a pydantic model.

    Args:
        model: the shape that the body must have.
    """

    def __init__(self, model: type[Model]) -> None:
        self._model = model

    async def __call__(self, request: Request) -> Model:
        """Return the validated body.

        Raises:
            UnsupportedMediaTypeError: if another media type than JSON is announced.
            VerdictError: as ``Bodies.read``.
            MalformedBodyError: if it is not JSON.
            InvalidRequestError: if its shape, a type or a value is wrong.
        """
        _check_media_type(header(request.scope, b"content-type"))
        bodies: Bodies = request.app.state.bodies
        return self._parse(await bodies.read(request))

    def openapi(self) -> dict[str, Any]:
        """Return the ``requestBody`` for the OpenAPI document."""
        content = {"application/json": {"schema": self._model.model_json_schema()}}
        return {"requestBody": {"required": True, "content": content}}

    def _parse(self, body: bytes) -> Model:
        try:
            return self._model.model_validate_json(body)
        except ValidationError as error:
            first = _first(error)
            if first["type"] != "json_invalid":
                raise InvalidRequestError(_describe(first)) from None
        # Python's parser lets lone surrogates through: such a body is JSON, but the text in it is not Unicode.
        try:
            self._model.model_validate(json.loads(body.decode()))  # of bytes it would guess the encoding
        except ValidationError as error:
            raise InvalidRequestError(_describe(_first(error))) from None
        except (ValueError, RecursionError):
            pass
        raise MalformedBodyError(f"the body is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}")


def _first(error: ValidationError) -> ErrorDetails:
    """Return the first of the errors, unless describing them all would hold up everyone else.

    Raises:
        InvalidRequestError: if there are too many, as in a body of 100,000 unknown fields.
    """
    if error.error_count() > _DESCRIBED_ERRORS:
        raise InvalidRequestError(f"the body has {error.error_count()} errors; the API's document has its shape")
    return error.errors(include_url=False, include_context=False)[0]


def _describe(error: ErrorDetails) -> str:
    """Return a validation error in words: where it is, what is wrong and what was sent."""
    where = ".".join(str(part)[:40] for part in error["loc"]) or "body"
    message = error["msg"].removeprefix("Value error, ")
    sent = error["input"]
    shown = (
        f", not {sent!r:.40}"
        if error["type"] != "value_error" and isinstance(sent, str | int | float | bool | None)
        else ""
    )
    return f"{where}: {message}{shown}"


def _check_media_type(content_type: str | None) -> None:
    media_type = (content_type or "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaTypeError(
            f"the body is announced as {media_type!r:.60}; send JSON with content-type: application/json"
        )
