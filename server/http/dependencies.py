"""Dependencies: what FastAPI hands to routes. Override ``get_classifier`` to serve another model.

All are coroutines: FastAPI would run plain functions on a thread, which takes longer than they do.
"""

import hmac
import itertools
from collections.abc import Sequence
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request
from starlette.types import Scope

from server.errors import UnauthorizedError
from server.http.headers import header
from server.inference.classifier import Classifier
from server.lifecycle import Lifecycle
from server.observe.metrics import Metrics
from server.settings import Settings


async def get_classifier(request: Request) -> Classifier:
    """Return the classifier that the application was created with."""
    return cast(Classifier, request.app.state.classifier)


async def get_settings(request: Request) -> Settings:
    """Return the application's settings."""
    return cast(Settings, request.app.state.settings)


async def get_metrics(request: Request) -> Metrics:
    """Return the application's metrics."""
    return cast(Metrics, request.app.state.metrics)


async def get_lifecycle(request: Request) -> Lifecycle:
    """Return the application's lifecycle."""
    return cast(Lifecycle, request.app.state.lifecycle)


async def require_api_key(request: Request) -> None:
    """Check the request's API key; see ``check_api_key``."""
    check_api_key(request.scope, request.app.state.settings.api_keys)


def check_api_key(scope: Scope, keys: Sequence[str]) -> None:
    """Check that no key is set or that one header of the request holds one of them, compared in constant time.

    The other header may hold anything: a platform in front, such as Cloud Run, takes a bearer token of its own.

    Raises:
        UnauthorizedError: if keys are set and the request sends none of them.
    """
    if not keys:
        return
    scheme, _, token = (header(scope, b"authorization") or "").partition(" ")
    sent = [(token if scheme.lower() == "bearer" else "").strip(), (header(scope, b"x-api-key") or "").strip()]
    pairs = itertools.product(sent, keys)  # as latin-1 the bytes that came: a key may be any UTF-8
    matches = [hmac.compare_digest(one.encode("latin-1"), key.encode()) for one, key in pairs]
    if not any(matches):
        raise UnauthorizedError("an API key is required; send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'")


ClassifierDependency = Annotated[Classifier, Depends(get_classifier)]
SettingsDependency = Annotated[Settings, Depends(get_settings)]
MetricsDependency = Annotated[Metrics, Depends(get_metrics)]
LifecycleDependency = Annotated[Lifecycle, Depends(get_lifecycle)]
