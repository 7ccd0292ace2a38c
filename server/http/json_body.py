"""JSON bodies: bytes -> a validated request, or a domain error that says what is wrong."""

import codecs
import json
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from artifact.blank import VISIBLE, is_blank
from server.errors import InvalidRequestError, MalformedBodyError, UnsupportedMediaTypeError
from server.http.call import Call

Model = TypeVar("Model", bound=BaseModel)

EMPTY: Final = "the text is empty; send at least one visible character"
_DESCRIBED_ERRORS: Final = 100


def _check_text(text: str) -> str:
    if is_blank(text):
        raise ValueError(EMPTY)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("the text holds a lone surrogate, which is no character; send valid Unicode") from None
    return text


_TEXT: Final = (
    "Any text with a visible character. White space, controls and zero-width characters alone are empty for every "
    "model; so is a text of which this model's tokenizer makes no token."
)
Text = Annotated[str, AfterValidator(_check_text), Field(description=_TEXT, json_schema_extra={"pattern": VISIBLE})]
"""One text to classify: any Unicode with a visible character."""


class JsonBody(Generic[Model]):
    """JSON bodies, read into a pydantic model.

    Args:
        model: the shape that the body must have.
    """

    def __init__(self, model: type[Model]) -> None:
        self._model = model

    async def read(self, call: Call) -> Model:
        """Return the validated body of a call.

        Raises:
            UnsupportedMediaTypeError: if ``content-type`` is not JSON.
            VerdictError: as ``Call.body``.
            MalformedBodyError, InvalidRequestError: as ``parse``.
        """
        _check_media_type(call.header(b"content-type"))
        return self.parse(await call.body())

    def openapi(self) -> dict[str, Any]:
        """Return the ``requestBody`` for the OpenAPI document."""
        content = {"application/json": {"schema": self.schema()}}
        return {"requestBody": {"required": True, "content": content}}

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema, in one piece: the document has its own place for parts."""
        schema = self._model.model_json_schema()
        inlined: dict[str, Any] = _inline(schema, schema.pop("$defs", {}))
        return inlined

    def parse(self, body: bytes) -> Model:
        """Return validated bytes; a byte-order mark before them is skipped.

        Raises:
            MalformedBodyError: if they are not JSON.
            InvalidRequestError: if the shape, a type or a value is wrong.
        """
        body = body.removeprefix(codecs.BOM_UTF8)
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


def _inline(node: Any, parts: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Return a schema with its references replaced; no part may refer to itself."""
    if isinstance(node, list):
        return [_inline(each, parts) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inline(parts[node["$ref"].rpartition("/")[2]], parts)
    return {name: _inline(each, parts) for name, each in node.items()}


def _first(error: ValidationError) -> ErrorDetails:
    """Return the first error, unless there are so many that describing them would delay other requests.

    Raises:
        InvalidRequestError: if there are too many, as in a body of 100,000 unknown fields.
    """
    if error.error_count() > _DESCRIBED_ERRORS:
        raise InvalidRequestError(f"the body has {error.error_count()} errors; the API's document has its shape")
    return error.errors(include_url=False, include_context=False)[0]


def _describe(error: ErrorDetails) -> str:
    """Return a validation error in words: its place, what is wrong and what was sent."""
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
