"""OpenAPI: the parts of the document that FastAPI can not read from the routes: errors, keys, response headers."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from server import errors
from server.http.errors import NATIVE_ERRORS, OF_ANY_REQUEST, STATUS, ErrorFormat

_DESCRIPTION: Final = (
    "Texts in, labels with calibrated probabilities out. Every error has the same body, ErrorBody: a kind for programs "
    "and a message for people. Besides the statuses below, an unknown path is answered with 404 not_found, and a wrong "
    "method with 405 method_not_allowed and the right one in allow."
)
_SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "one of VERDICT_API_KEY, where the server has any"},
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "the same key in a header of its own",
    },
}
_HEALTH: Final = "/health/"
_ADMIN: Final = "/admin/"
_REQUEST_ID: Final = {
    "description": "the caller's, if it sent up to 128 letters, digits and ._:/+=-, else a new one",
    "schema": {"type": "string"},
}
_RETRY_AFTER: Final = {
    "description": "seconds after which the queue should have room, or another server has taken over",
    "schema": {"type": "integer", "minimum": 1},
}
_WORTH_A_RETRY: Final = (STATUS[errors.OverloadedError], STATUS[errors.DrainingError])


def responses(*kinds: type[errors.VerdictError], style: ErrorFormat = NATIVE_ERRORS) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that can fail in these ways, and in those of any request.

    Args:
        kinds: what the route itself can end with.
        style: how its wire format answers with errors.
    """
    statuses = {style.status(kind) for kind in (*kinds, *OF_ANY_REQUEST)}
    return {
        status: {"model": style.model, "description": HTTPStatus(status).phrase}
        | ({"headers": {"retry-after": _RETRY_AFTER}} if status in _WORTH_A_RETRY else {})
        for status in sorted(statuses)
    }


def install(app: FastAPI) -> None:
    """Complete the application's document when it is first requested."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generate(), locked=bool(app.state.settings.api_keys), probes=app.state.services.probes)
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _complete(document: dict[str, Any], *, locked: bool, probes: Collection[str]) -> None:
    """Add, in place, what holds for every route. Without API keys only the admin routes ask for one."""
    document["info"]["description"] = _DESCRIPTION
    document["components"]["securitySchemes"] = _SECURITY
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith(_ADMIN) or (locked and not path.startswith(_HEALTH) and path not in probes):
                operation["security"] = [{name: []} for name in _SECURITY]
            for response in operation["responses"].values():
                response.setdefault("headers", {})["x-request-id"] = _REQUEST_ID
