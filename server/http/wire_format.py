"""Wire formats: what a module under ``protocols`` declares, and all that the rest of the server knows of it."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from server import errors
from server.http.call import Call
from server.http.dependencies import ClassifierDependency, require_api_key
from server.http.errors import NATIVE_ERRORS, ErrorFormat
from server.http.headers import PARAMETERS
from server.http.openapi import responses
from server.inference.classifier import Classifier

Endpoint = Callable[[Call, Classifier], Awaitable[Response]]
ErrorKinds = Sequence[type[errors.VerdictError]]
_PREDICTION_ERRORS: Final = (
    errors.InvalidRequestError,
    errors.MalformedBodyError,
    errors.UnsupportedMediaTypeError,
    errors.TooLargeError,
    errors.SlowBodyError,
    errors.UnauthorizedError,
    errors.OverloadedError,
    errors.DrainingError,
    errors.TimedOutError,
)
"""What a request for predictions can end with."""
_PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")


class Body(Protocol):
    """A request body, for the OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """Return the part ``requestBody`` of an operation."""
        ...


class WireFormat:
    """Routes that answer in one format, behind the API key.

    Args:
        name: of the protocol; the setting ``protocols`` has it.
        tag: groups the routes in the OpenAPI document; the name if there is none.
        prefix: paths that begin with it are of this format, whether there is a route or not.
        style: how it answers with errors.

    Attributes:
        name: as above.
        style: as above.
        router: the routes as FastAPI serves and documents them.
        endpoints: what answers the POST requests of each path; a path may have parts such as ``{name}``.
        probes: paths of its health routes: they need no key and are answered while the server drains.
    """

    def __init__(
        self, name: str, *, tag: str | None = None, prefix: str | None = None, style: ErrorFormat = NATIVE_ERRORS
    ) -> None:
        self.name = name
        self.style = style
        self.router = APIRouter(tags=[tag or name])
        self.endpoints: dict[str, Endpoint] = {}
        self.probes: set[str] = set()
        self._prefix = prefix

    def post(
        self,
        path: str,
        *,
        body: Body,
        answer: object,
        fails_with: ErrorKinds = (),
        **document: Any,  # noqa: ANN401 - FastAPI's own arguments
    ) -> Callable[[Endpoint], Endpoint]:
        """Register the decorated endpoint for POST requests. The fast path serves them.

        Args:
            path: of the route.
            body: what the endpoint reads, for the OpenAPI document.
            answer: the type of its successful answer, likewise.
            fails_with: errors beside those of any request for predictions, likewise.
            document: more arguments of ``APIRouter.add_api_route``, likewise.
        """

        def register(endpoint: Endpoint) -> Endpoint:
            kinds = (*_PREDICTION_ERRORS, *fails_with)
            extra = body.openapi() | {"parameters": [*PARAMETERS, *_path_parameters(path)]}
            self._add("POST", path, endpoint, kinds, response_model=answer, openapi_extra=extra, **document)
            self.endpoints[path] = endpoint
            return endpoint

        return register

    def get(
        self,
        path: str,
        *,
        answer: object,
        fails_with: ErrorKinds = (),
        probe: bool = False,
        **document: Any,  # noqa: ANN401 - FastAPI's own arguments
    ) -> Callable[[Endpoint], Endpoint]:
        """Register the decorated endpoint for GET requests.

        Args:
            path: of the route.
            answer: the type of its successful answer, for the OpenAPI document; None: it is no JSON.
            fails_with: errors that the endpoint itself raises, likewise.
            probe: whether it is a health route; see ``probes``.
            document: more arguments of ``APIRouter.add_api_route``, likewise.
        """

        def register(endpoint: Endpoint) -> Endpoint:
            if probe:
                self.probes.add(path)
            locked: ErrorKinds = (errors.UnauthorizedError, errors.DrainingError)
            kinds = fails_with if probe else (*locked, *fails_with)
            extra = {"parameters": _path_parameters(path)}
            if answer is None:
                document.setdefault("response_class", Response)  # FastAPI's own would document a JSON body
            self._add("GET", path, endpoint, kinds, response_model=answer, openapi_extra=extra, **document)
            return endpoint

        return register

    def _add(self, method: str, path: str, endpoint: Endpoint, kinds: ErrorKinds, **document: Any) -> None:  # noqa: ANN401 - FastAPI's own arguments
        async def serve(request: Request, classifier: ClassifierDependency) -> Response:
            with Call.of(request) as call:
                return await endpoint(call, classifier)

        self.router.add_api_route(
            path,
            serve,
            methods=[method],
            name=endpoint.__name__,
            description=endpoint.__doc__,
            dependencies=[] if path in self.probes else [Depends(require_api_key)],
            responses=responses(*kinds, style=self.style) | document.pop("responses", {}),
            **document,
        )

    def has(self, path: str) -> bool:
        """Whether a request for this path is of this format."""
        if self._prefix is not None and path.startswith(self._prefix):
            return True
        routes = (route for route in self.router.routes if isinstance(route, APIRoute))
        return any(route.path_regex.match(path) for route in routes)


def error_format(formats: Sequence[WireFormat], path: str) -> ErrorFormat:
    """Return how the format of a path answers with errors; paths of no format have native errors."""
    return next((each.style for each in formats if each.has(path)), NATIVE_ERRORS)


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_PARAMETER.findall(path)
    ]
