"""Bodies: bytes from the wire -> a validated request, or a domain error that says what is wrong.

The size is enforced while reading, so that a body without ``content-length`` can not fill the memory.
"""

import asyncio
import json
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request

from server.errors import (
    CallerGoneError,
    InvalidRequestError,
    MalformedBodyError,
    SlowBodyError,
    TooLargeError,
    UnsupportedMediaTypeError,
)

Model = TypeVar("Model", bound=BaseModel)


class JsonBody(Generic[Model]):
    """A FastAPI dependency that reads a JSON body into a pydantic model.

    Args:
        model: the shape that the body must have.
    """

    def __init__(self, model: type[Model]) -> None:
        self._model = model

    async def __call__(self, request: Request) -> Model:
        """Return the validated body.

        Raises:
            UnsupportedMediaTypeError: if another media type than JSON is announced.
            SlowBodyError: if it takes longer than the setting ``request_timeout_s`` to arrive.
            CallerGoneError: if the caller disconnects meanwhile.
            TooLargeError: if the body is larger than the setting ``max_body_bytes``.
            CallerGoneError: if the caller disconnects before the body is complete.
            MalformedBodyError: if it is not JSON.
            InvalidRequestError: if its shape, a type or a value is wrong.
        """
        _check_media_type(request.headers.get("content-type"))
        settings = request.app.state.settings
        try:
            async with asyncio.timeout(settings.request_timeout_s):
                body = await _read(request, settings.max_body_bytes)
        except TimeoutError:
            raise SlowBodyError(
                f"the body did not arrive in {settings.request_timeout_s:g} s; send it faster or in smaller parts"
            ) from None
        except ClientDisconnect:
            raise CallerGoneError("the caller disconnected before its body was complete") from None
        return self._parse(body)

    def openapi(self) -> dict[str, Any]:
        """Return the ``requestBody`` for the OpenAPI document."""
        content = {"application/json": {"schema": self._model.model_json_schema()}}
        return {"requestBody": {"required": True, "content": content}}

    def _parse(self, body: bytes) -> Model:
        try:
            return self._model.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            if first["type"] != "json_invalid":
                raise InvalidRequestError(_describe(first)) from None
        # Python's parser lets lone surrogates through: such a body is JSON, but the text in it is not Unicode.
        try:
            self._model.model_validate(json.loads(body.decode()))  # of bytes it would guess the encoding
        except ValidationError as error:
            raise InvalidRequestError(_describe(error.errors(include_context=False)[0])) from None
        except (ValueError, RecursionError):
            pass
        raise MalformedBodyError(f"the body is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}")


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


async def _read(request: Request, limit: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise TooLargeError(f"the body has {announced} bytes, at most {limit} are read; send fewer or shorter texts")
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLargeError(f"the body has more than the {limit} bytes that are read; send fewer or shorter texts")
        chunks.append(chunk)
    return b"".join(chunks)
