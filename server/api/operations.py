"""Routes for operators: health, what is running, metrics. Health needs no key."""

import platform
from dataclasses import asdict
from typing import Any

import onnxruntime
import orjson
from fastapi import APIRouter, Depends
from starlette.responses import Response

from server.api.dependencies import (
    ClassifierDependency,
    LifecycleDependency,
    MetricsDependency,
    SettingsDependency,
    require_api_key,
)
from server.cpu import cpu_model, cpu_quota, int8_features
from server.errors import DrainingError, NotReadyError
from server.settings import Settings

router = APIRouter(tags=["operations"])

_LIMITS = (
    "max_batch_items",
    "max_queue_tokens",
    "max_items_per_request",
    "max_text_chars",
    "max_body_bytes",
    "request_timeout_s",
)


@router.get("/health/live")
async def live() -> dict[str, str]:
    """Answer while the process serves its event loop."""
    return {"status": "live"}


@router.get("/health/ready")
async def ready(lifecycle: LifecycleDependency) -> dict[str, str]:
    """Answer 200 while new requests are taken."""
    if lifecycle.draining:
        raise DrainingError("the server is shutting down; send requests to another one")
    if not lifecycle.ready:
        raise NotReadyError("the model is not loaded yet; retry in a second")
    return {"status": "ready"}


@router.get("/info", dependencies=[Depends(require_api_key)])
async def info(classifier: ClassifierDependency, settings: SettingsDependency) -> Response:
    """Tell what is served, within which limits, by which runtime and on which CPU."""
    document: dict[str, Any] = {
        "model": asdict(classifier.info),
        "limits": {name: getattr(settings, name) for name in _LIMITS},
        "runtime": _runtime(settings) | dict(classifier.runtime),
        "cpu": {"model": cpu_model(), "vcpus": cpu_quota(), "int8": int8_features()},
    }
    return Response(orjson.dumps(document), media_type="application/json")


@router.get("/metrics", dependencies=[Depends(require_api_key)])
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
