"""OpenAPI: the parts of the document that FastAPI can not read from the routes.

These are errors, keys, response headers, and the head that is served: shapes that are marked for another one are left
out.
"""

import copy
from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from server import errors
from server.http.errors import NATIVE_ERRORS, OF_ANY_REQUEST, STATUS, ErrorFormat
from server.inference.classifier import ModelInfo

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
FOR_PROBLEM: Final = "x-problem"
"""Marks the schema of an answer: the problem of the heads that answer so."""
FOR_PAIRS: Final = "x-pairs"
"""Marks a property of a body that holds the second texts of pairs, and an array of one text or a pair."""
OF_LABELS: Final = "x-labels"
"""Marks a property of a body that is null or one of the model's labels."""
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
            document = copy.deepcopy(generate())  # it shares the schemas of bodies with other applications
            _describe_head(document, app.state.classifier.info)
            _complete(document, locked=bool(app.state.settings.api_keys), probes=app.state.services.probes)
            app.openapi_schema = document
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


def _describe_head(document: dict[str, Any], model: ModelInfo) -> None:
    """Leave in place what holds for the model that is served: the answers of its head, and pairs if it reads them."""
    schemas = document["components"]["schemas"]
    others = {name for name, schema in schemas.items() if schema.pop(FOR_PROBLEM, model.problem) != model.problem}
    for name in others:
        del schemas[name]
    references = {f"#/components/schemas/{name}" for name in others}
    for schema in _objects(document):
        if "anyOf" in schema and any(each.get("$ref") in references for each in schema["anyOf"]):
            left = [each for each in schema.pop("anyOf") if each.get("$ref") not in references]
            schema.clear()
            schema.update(left[0] if len(left) == 1 else {"anyOf": left})
        if "properties" in schema:
            _describe_pairs(schema, pairs=model.pairs)
        if schema.pop(OF_LABELS, False):
            schema["enum"] = [*model.labels, None]
        if schema.get("type") == "array" and schema.pop(FOR_PAIRS, False):
            schema["minItems"] = schema["maxItems"] = 1 + model.pairs


def _describe_pairs(schema: dict[str, Any], *, pairs: bool) -> None:
    """Require the properties of a body that are for pairs alone, or leave them out."""
    for name, each in list(schema["properties"].items()):
        if not each.pop(FOR_PAIRS, False):
            continue
        if not pairs:
            del schema["properties"][name]
            continue
        each.pop("default", None)
        each.update(each.pop("anyOf", [{}])[0])
        schema["required"].append(name)
        schema.pop("examples", None)  # they show single texts


def _objects(node: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """Yield every object in a JSON document, inner ones after the one that they are in."""
    if isinstance(node, dict):
        yield node
    for each in list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _objects(each)
