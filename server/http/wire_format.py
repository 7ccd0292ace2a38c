"""Wire formats: what a module under ``protocols`` declares, and all that the rest of the server knows of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from server import errors
from server.http.call import Call
from server.http.dependencies import ClassifierDependency, require_api_key
from server.http.errors import ErrorBody, WriteError, error_body
from server.http.headers import PARAMETERS
from server.http.json_body import JsonBody
from server.http.openapi import responses
from server.inference.classifier import Classifier

Endpoint = Callable[[Call, Classifier], Awaitable[Response]]
_ERRORS: Final = (
    errors.InvalidRequestError,
    errors.MalformedBodyError,
    errors.UnsupportedMediaTypeError,
    errors.TooLargeError,
    errors.SlowBodyError,
    errors.UnauthorizedError,
    errors.OverloadedError,
    errors.DrainingError,
    errors.TimedOutError,
    errors.TextFailedError,
)
"""What a request for predictions can end with."""


class WireFormat:
    """Routes that answer predictions in one format, behind the API key.

    Args:
        tag: groups the routes in the OpenAPI document.
        write_error: how this format writes an error.
        error_model: the shape of such an error, for the OpenAPI document.

    Attributes:
        router: the routes as FastAPI serves and documents them.
        endpoints: what answers the POST requests of each path.
        write_error: as above.
    """

    def __init__(
        self, tag: str, *, write_error: WriteError = error_body, error_model: type[BaseModel] = ErrorBody
    ) -> None:
        self.router = APIRouter(dependencies=[Depends(require_api_key)], tags=[tag])
        self.endpoints: dict[str, Endpoint] = {}
        self.write_error = write_error
        self._error_model = error_model

    def post(self, path: str, *, body: JsonBody[Any], answer: Any) -> Callable[[Endpoint], Endpoint]:  # noqa: ANN401 - any type
        """Register the decorated endpoint for POST requests.

        Args:
            path: of the route.
            body: what the endpoint reads, for the OpenAPI document.
            answer: the type of its successful answer, likewise.
        """

        def register(endpoint: Endpoint) -> Endpoint:
            async def serve(request: Request, classifier: ClassifierDependency) -> Response:
                with Call.of(request) as call:
                    return await endpoint(call, classifier)

            self.router.add_api_route(
                path,
                serve,
                methods=["POST"],
                name=endpoint.__name__,
                description=endpoint.__doc__,
                response_model=answer,
                responses=responses(*_ERRORS, model=self._error_model),
                openapi_extra=body.openapi() | {"parameters": PARAMETERS},
            )
            self.endpoints[path] = endpoint
            return endpoint

        return register

    def has(self, path: str) -> bool:
        """Whether a request for this path is of this format."""
        routes = (route for route in self.router.routes if isinstance(route, APIRoute))
        return path in self.endpoints or any(route.path_regex.match(path) for route in routes)


def error_writer(formats: Sequence[WireFormat], path: str) -> WriteError:
    """Return how the format of a path writes an error; paths of no format have the native error body."""
    return next((each.write_error for each in formats if each.has(path)), error_body)
