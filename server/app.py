"""The application: the one place where all objects are made and connected."""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from artifact.cost_curve import CostCurve
from artifact.cpu import cpu_quota
from artifact.first_stage import FirstStage
from artifact.manifest import Artifact, ArtifactError, load_artifact
from artifact.pairs import load_tokenization
from artifact.runtime import OnnxEngine
from artifact.tokenization import Tokenization
from artifact.vocabulary import check_token_ids
from server.http import admin, docs, errors, openapi, operations
from server.http.body import Bodies
from server.http.call import CallWatch, Services
from server.http.connection.refusals import Refusals
from server.http.connection.shared import Connections
from server.http.context import RequestMiddleware, request_spans
from server.http.fast_path import FastPath
from server.http.protocols import WIRE_FORMATS, choose_formats
from server.http.wire_format import WireFormat, error_format
from server.inference.batching import Batcher
from server.inference.cache import LogitsCache
from server.inference.classifier import Classifier, TextClassifier
from server.inference.explain import Explainer
from server.inference.known_answers import check_known_answers
from server.inference.one_core import InlinePolicy
from server.inference.queue import BatchLimits
from server.inference.reload import ReloadableClassifier
from server.inference.runner import Runner
from server.lifecycle import Lifecycle
from server.memory import WORKER_BYTES, Heap, find_trim
from server.observe.metrics import Metrics
from server.observe.tracing import Tracing
from server.settings import Settings, SettingsError
from server.web import page

_WAITING_BODIES: Final = 8
"""As many characters may wait for tokenization as so many of the largest bodies have bytes."""


def create_app(
    settings: Settings, classifier: Classifier | None = None, formats: Sequence[WireFormat] = WIRE_FORMATS
) -> FastAPI:
    """Return the application; its ``state.fast_path`` is the outermost ASGI application around it, or None.

    Args:
        settings: everything that an operator can set.
        classifier: what answers; ``settings.artifact_dir`` is loaded where none is given.
        formats: the wire formats in which it answers, where the setting ``protocols`` does not turn them off.

    Raises:
        SettingsError: if a setting names a protocol that does not exist.
        ArtifactError: if the artifact is missing, damaged, of an unknown schema or wrong on its known answers.
    """
    formats = choose_formats(settings, formats)
    metrics = Metrics()
    lifecycle = Lifecycle(metrics)
    tracing = Tracing(settings.otlp_endpoint)
    services = Services(
        settings=settings,
        metrics=metrics,
        lifecycle=lifecycle,
        tracing=tracing,
        bodies=Bodies(settings.max_body_bytes),
        watch=CallWatch(),
        explainer=Explainer(metrics, max_parts=settings.max_explain_parts, max_chars=settings.max_body_bytes),
        error_format=partial(error_format, formats),
        probes=frozenset(path for each in formats for path in each.probes),
    )
    heap = Heap(settings.inference_workers * WORKER_BYTES, find_trim())
    served = classifier or ReloadableClassifier(lambda: load_classifier(settings, metrics), metrics, heap)
    metrics.show_model(served.info.name, served.info.version, served.info.quantization)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await served.start()
        lifecycle.mark_started()
        try:
            yield
            await served.close()
            await tracing.close()
        finally:
            services.watch.close()
            metrics.ledger.flush()

    app = FastAPI(
        title="Verdict",
        version=served.info.version,
        lifespan=lifespan,
        redirect_slashes=False,  # it would send callers to whatever Host header they came with
        docs_url=None,
        redoc_url=None,
        telemetry=request_spans(tracing.provider, services.probes),
    )
    app.state.settings = settings
    app.state.classifier = served
    app.state.heap = heap
    app.state.metrics = metrics
    app.state.lifecycle = lifecycle
    app.state.services = services
    app.state.connections = Connections(settings, Refusals(metrics))
    for wire_format in formats:
        app.include_router(wire_format.router)
    app.include_router(operations.router)
    app.include_router(admin.router)
    app.include_router(docs.router)
    if settings.page == "on":
        app.include_router(page.make_router())
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("authorization", "x-api-key", "x-request-id", "x-request-timeout-ms"),
            expose_headers=("x-request-id", "server-timing", "retry-after"),
        )
    app.add_middleware(RequestMiddleware, services=services)
    errors.install(app)
    openapi.install(app)
    # FastAPI makes the spans, so traced requests go past the fast path.
    app.state.fast_path = FastPath(app, formats) if tracing.provider is None else None
    return app


def load_classifier(settings: Settings, metrics: Metrics) -> TextClassifier:
    """Check, load, warm up and prove the artifact.

    Raises:
        ArtifactError: if any of these fails.
        SettingsError: if the settings do not fit the model.
    """
    artifact = load_artifact(settings.artifact_dir)
    manifest = artifact.manifest
    if settings.max_queue_tokens < manifest.max_length:
        raise SettingsError(
            f"VERDICT_MAX_QUEUE_TOKENS {settings.max_queue_tokens} is less than the {manifest.max_length} tokens that "
            f"{manifest.name} reads of one text: a long text would never be admitted; raise it"
        )
    tokenization = _load_tokenization(artifact)
    engine = OnnxEngine.load(artifact, intra_op_threads=settings.intra_op_threads)
    cost = _measure(engine, artifact)
    inline = InlinePolicy.for_cpus(cpu_quota())
    check_token_ids(tokenization, engine, manifest.pad_token_id)
    check_known_answers(manifest, tokenization, engine)
    limits = BatchLimits(
        settings.max_batch_items,
        settings.max_batch_tokens or cost.best_tokens_within(inline.max_run_s or math.inf),
        settings.max_queue_tokens,
        manifest.max_length,
    )
    workers = settings.inference_workers
    batcher = Batcher(
        Runner(engine, pad_token_id=manifest.pad_token_id, workers=workers, cost=cost, inline=inline),
        limits=limits,
        cost=cost,
        cache=LogitsCache(settings.cache_items),
        metrics=metrics,
        inline=inline,
    )
    return TextClassifier(
        manifest,
        tokenization,
        batcher,
        metrics,
        runtime=_runtime(limits, cost),
        inline=inline,
        max_waiting_chars=_WAITING_BODIES * settings.max_body_bytes,
        first_stage=FirstStage.load(artifact) if settings.first_stage == "on" else None,
    )


def _runtime(limits: BatchLimits, cost: CostCurve) -> dict[str, object]:
    """Return what this machine was measured to do, for ``/info``."""
    run_ms = {str(tokens): round(seconds * 1000, 3) for tokens, seconds in cost.points}
    return {"max_batch_tokens": limits.max_batch_tokens, "run_ms_by_padded_tokens": run_ms}


def _measure(engine: OnnxEngine, artifact: Artifact) -> CostCurve:
    manifest = artifact.manifest
    try:
        return CostCurve.measure(engine, pad_token_id=manifest.pad_token_id, max_length=manifest.max_length)
    except Exception as error:  # onnxruntime raises classes of its own with no common base
        raise ArtifactError(f"{artifact.model_path} can not be run: {error}") from error


def _load_tokenization(artifact: Artifact) -> Tokenization:
    try:
        return load_tokenization(artifact)
    except Exception as error:  # tokenizers raises plain Exception
        raise ArtifactError(f"{artifact.tokenizer_path} can not be used: {error}") from error
