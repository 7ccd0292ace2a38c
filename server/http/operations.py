"""Routes for operators: health, facts about the server, metrics. Health needs no key."""

import asyncio
import platform
from dataclasses import dataclass, fields
from typing import Any, Literal

import onnxruntime
import orjson
from fastapi import APIRouter, Depends
from starlette.responses import Response

from artifact.cpu import cpu_model, cpu_quota, int8_features
from artifact.manifest import CARD
from server.errors import DrainingError, NotFoundError, NotReadyError, UnauthorizedError
from server.http.dependencies import (
    ClassifierDependency,
    LifecycleDependency,
    MetricsDependency,
    SettingsDependency,
    require_api_key,
)
from server.http.openapi import responses
from server.inference.classifier import ModelInfo
from server.inference.reload import ReloadableClassifier
from server.lifecycle import Lifecycle
from server.settings import Settings

router = APIRouter(tags=["operations"])


@dataclass(frozen=True, slots=True)
class Live:
    """The process answers requests."""

    status: Literal["live"] = "live"


@dataclass(frozen=True, slots=True)
class Ready:
    """The server takes new requests."""

    status: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a request and of the queue, as in the settings of the same names."""

    max_batch_items: int
    max_queue_tokens: int
    max_items_per_request: int
    max_text_chars: int
    max_body_bytes: int
    request_timeout_s: float


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor, the vCPUs that the container may use, and its int8 instructions."""

    model: str
    vcpus: float
    int8: list[str]


@dataclass(frozen=True, slots=True)
class Info:
    """The model, the limits, the runtime and the CPU."""

    model: ModelInfo
    limits: Limits
    runtime: dict[str, Any]
    cpu: Cpu


@router.get("/health/live", responses=responses())
async def live() -> Live:
    """Answer while the event loop runs."""
    return Live()


@router.get("/health/ready", responses=responses(NotReadyError, DrainingError))
async def ready(lifecycle: LifecycleDependency) -> Ready:
    """Answer 200 while the server takes new requests."""
    check_ready(lifecycle)
    return Ready()


def check_ready(lifecycle: Lifecycle) -> None:
    """Check that the server takes new requests.

    Raises:
        DrainingError: if it shuts down.
        NotReadyError: if no model is loaded yet.
    """
    if lifecycle.draining:
        raise DrainingError("the server is shutting down; send requests to another one")
    if not lifecycle.ready:
        raise NotReadyError("the model is not loaded yet; retry in a second")


@router.get(
    "/info",
    dependencies=[Depends(require_api_key)],
    response_model=Info,
    responses=responses(UnauthorizedError, DrainingError),
)
async def info(classifier: ClassifierDependency, settings: SettingsDependency) -> Response:
    """Return the model, the limits, the runtime and the CPU."""
    document = Info(
        model=classifier.info,
        limits=Limits(**{limit.name: getattr(settings, limit.name) for limit in fields(Limits)}),
        runtime=_runtime(settings) | dict(classifier.runtime),
        cpu=Cpu(cpu_model(), cpu_quota(), int8_features()),
    )
    return Response(orjson.dumps(document), media_type="application/json")


@router.get(
    "/card",
    dependencies=[Depends(require_api_key)],
    response_class=Response,
    responses=responses(UnauthorizedError, NotFoundError, DrainingError)
    | {200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}},
)
async def card(classifier: ClassifierDependency, settings: SettingsDependency) -> Response:
    """Return the model card that lies beside the model, in Markdown."""
    if not isinstance(classifier, ReloadableClassifier):
        raise NotFoundError("this server was given its classifier by code, so there is no card")
    try:
        text = await asyncio.to_thread((settings.artifact_dir / CARD).read_bytes)
    except OSError:
        raise NotFoundError("the artifact has no card") from None
    return Response(text, media_type="text/markdown; charset=utf-8")


@router.get(
    "/metrics",
    dependencies=[Depends(require_api_key)],
    response_class=Response,
    responses=responses(UnauthorizedError) | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(figures: MetricsDependency) -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(figures.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _runtime(settings: Settings) -> dict[str, object]:
    return {
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
        "inference_workers": settings.inference_workers,
        "intra_op_threads": settings.intra_op_threads,
    }
