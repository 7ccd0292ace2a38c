"""Text Embeddings Inference: its routes for classifiers and re-rankers under ``/tei``.

Contracts: ``router/src/http/types.rs`` and ``server.rs``, and for tokens ``core/src/tokenization.rs``, of
huggingface/text-embeddings-inference. In ``inputs``,
``["a", "b"]`` is one pair and ``[["a"], ["b"]]`` a batch. A re-ranker is a model that reads pairs and has one score.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from starlette.responses import Response

from artifact.manifest import TextOrPair, Truncation
from artifact.scores import Head
from artifact.tokenization import LocatedText
from server import errors
from server.http.call import Call
from server.http.errors import ErrorFormat
from server.http.infer import PredictionResponse, check_texts, infer, remarks
from server.http.json_body import JsonBody, Text
from server.http.operations import check_ready
from server.http.rankings import DIGITS, Function, RankedLabel, TextOrTwo, rank
from server.http.wire_format import WireFormat
from server.inference.classifier import Classification, Classifier

ErrorType = Literal["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"]
_TYPES: Final[dict[int, ErrorType]] = {400: "Empty", 424: "Backend", 429: "Overloaded", 503: "Unhealthy"}


class TeiError(BaseModel):
    """The body of every response that is not a success."""

    error: str
    error_type: ErrorType


def _input_kind(value: object) -> str | None:
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "batch" if value and isinstance(value[0], list) else "pair"
    return None


_Inputs = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[TextOrTwo, Tag("pair")]
    | Annotated[list[TextOrTwo], Field(min_length=1, fail_fast=True), Tag("batch")],
    Discriminator(
        _input_kind,
        custom_error_type="no_inputs",
        custom_error_message="send a text, a pair [text, text], or a batch [[text], [text, text]]",
    ),
]
_Flag = Annotated[bool, Field(strict=True)]


def _not_left(direction: object) -> object:
    if direction in ("Left", "left"):
        raise ValueError("texts are not cut on the left here; leave it out, or send Right")
    return direction


class _Cut(BaseModel):
    truncate: _Flag | None = Field(
        default=None, description="false refuses texts that are too long; by default the model's own way cuts them"
    )
    truncation_direction: Annotated[Literal["Right", "right"] | None, BeforeValidator(_not_left)] = Field(
        default=None, description="keeps the beginning of a long text; texts are not cut on the left here"
    )
    raw_scores: _Flag = Field(default=False, description="logits instead of scores")

    def truncation(self) -> Truncation | None:
        """Return how texts are cut; None: in the model's own way."""
        return None if self.truncation_direction is None else "head"

    def check_whole(self, classification: Classification) -> None:
        """Refuse what was cut although the caller forbids it.

        Raises:
            TooLargeError: if a text was too long.
        """
        if self.truncate is False:
            for index, prediction in enumerate(classification.predictions):
                if prediction.truncated:
                    raise errors.TooLargeError(
                        f"inputs must have at most {prediction.tokens} tokens, input {index} has more; "
                        "shorten it, or send truncate: true"
                    )


class PredictRequest(_Cut):
    """A text, a pair, or a batch of them."""

    model_config = ConfigDict(title="TeiPredictRequest", json_schema_extra={"examples": [{"inputs": "Wonderful."}]})

    inputs: _Inputs


class RerankRequest(_Cut):
    """A query and the texts to rank by it."""

    model_config = ConfigDict(title="TeiRerankRequest")

    query: Text
    texts: Annotated[list[Text], Field(fail_fast=True, json_schema_extra={"minItems": 1})]
    return_text: _Flag = False


class TokenizeRequest(BaseModel):
    """A text, or a list of texts."""

    model_config = ConfigDict(title="TeiTokenizeRequest", json_schema_extra={"examples": [{"inputs": "Wonderful."}]})

    inputs: Text | Annotated[list[Text], Field(min_length=1, fail_fast=True)]
    add_special_tokens: _Flag = True
    prompt_name: None = Field(default=None, description="there are no prompts here: leave it out")


class SimpleToken(BaseModel):
    """A token and the bytes of the UTF-8 text that it stands for."""

    id: int
    text: str = Field(description="those bytes; of a special token its name")
    special: bool
    start: int | None
    stop: int | None


class Rank(BaseModel):
    """A text's place in the request, its score, and the text where it was asked for."""

    index: int
    text: str | None = None
    score: float


def _write_error(kind: str, message: str, status: int, request_id: str) -> bytes:
    del kind, request_id
    return orjson.dumps({"error": message, "error_type": _TYPES.get(status, "Validation")})


FORMAT: Final = WireFormat(
    "tei",
    prefix="/tei/",
    style=ErrorFormat(
        _write_error,
        TeiError,
        {
            errors.MalformedBodyError: 422,
            errors.NoTextError: 400,
            errors.EngineFailedError: 424,
            errors.TextFailedError: 424,
            errors.TimedOutError: 429,
        },
    ),
)
_predict = JsonBody(PredictRequest)
_rerank = JsonBody(RerankRequest)
_tokenize = JsonBody(TokenizeRequest)


@FORMAT.post("/tei/predict", body=_predict, answer=list[RankedLabel] | list[list[RankedLabel]])
async def predict(call: Call, classifier: Classifier) -> Response:
    """Classify: a text and a pair get one ranking, a batch a list of them."""
    started_s = time.perf_counter()
    body = await _predict.read(call)
    inputs = body.inputs
    batch = not isinstance(inputs, str) and not isinstance(inputs[0], str)
    sequences: Sequence[Any] = inputs if batch else [inputs]
    texts = [_unpack(sequence) for sequence in sequences]
    classification = await infer(call, classifier, texts, body.truncation())
    body.check_whole(classification)
    function: Function | None = "none" if body.raw_scores else None
    answer = [rank(each, classification.head, function=function) for each in classification.predictions]
    return _respond(answer if batch else answer[0], classification, texts, started_s)


@FORMAT.post("/tei/rerank", body=_rerank, answer=list[Rank])
async def rerank(call: Call, classifier: Classifier) -> Response:
    """Rank texts by a query, the best first. It needs a model that reads pairs and has one score."""
    started_s = time.perf_counter()
    body = await _rerank.read(call)
    call.patience_s()  # a wrong request is refused as wrong, whatever the model
    if not body.texts:
        raise errors.NoTextError("`texts` cannot be empty")
    model = classifier.info
    if not model.pairs or len(model.labels) != 1:
        raise errors.EngineFailedError(f"{model.name} is not a re-ranker model: it must read pairs and have one score")
    pairs: list[TextOrPair] = [(body.query, text) for text in body.texts]
    classification = await infer(call, classifier, pairs, body.truncation())
    body.check_whole(classification)
    to_score = Head(model.labels, activation="identity" if body.raw_scores else "sigmoid")
    scores = [to_score.scores(prediction.logits)[0] for prediction in classification.predictions]
    order = sorted(range(len(scores)), key=lambda index: scores[index], reverse=True)
    answer = [
        {"index": index}
        | ({"text": body.texts[index]} if body.return_text else {})
        | {"score": round(scores[index], DIGITS)}
        for index in order
    ]
    return _respond(answer, classification, pairs, started_s)


@FORMAT.post("/tei/tokenize", body=_tokenize, answer=list[list[SimpleToken]])
async def tokenize(call: Call, classifier: Classifier) -> Response:
    """Return the tokens of each text, read or not. Places are counted in bytes of UTF-8."""
    body = await _tokenize.read(call)
    texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs
    check_texts(texts, call.services.settings)
    timeout_s = call.patience_s()
    answers = []
    for text in texts:
        located = await call.while_connected(classifier.tokenize(text, truncation=None, timeout_s=timeout_s))
        answers.append(await asyncio.to_thread(_render_tokens, text, located, body.add_special_tokens))
    return Response(b"[%b]" % b",".join(answers), media_type="application/json")


@FORMAT.get("/tei/info", answer=dict[str, Any])
async def info(call: Call, classifier: Classifier) -> Response:
    """Return the model and the limits in the fields of Text Embeddings Inference."""
    model, settings = classifier.info, call.services.settings
    names = {str(index): label for index, label in enumerate(model.labels)}
    reranks = model.pairs and len(names) == 1
    kind = {"id2label": names, "label2id": {label: index for index, label in enumerate(model.labels)}}
    document = {
        "model_id": model.name,
        "model_sha": model.version,
        "model_dtype": model.quantization,
        "model_type": {"reranker" if reranks else "classifier": kind},
        "max_concurrent_requests": settings.max_queue_tokens,
        "max_input_length": model.max_length,
        "max_batch_tokens": classifier.runtime.get("max_batch_tokens", model.max_length),
        "max_batch_requests": settings.max_batch_items,
        "max_client_batch_size": settings.max_items_per_request,
        "auto_truncate": True,
        "tokenization_workers": 1,
        "version": "1.8.0",
        "sha": None,
        "docker_label": None,
    }
    return Response(orjson.dumps(document), media_type="application/json")


@FORMAT.get("/tei/health", answer=None, fails_with=(errors.NotReadyError, errors.DrainingError), probe=True)
async def health(call: Call, classifier: Classifier) -> Response:
    """Answer 200 without a body while the server takes new requests."""
    del classifier
    check_ready(call.services.lifecycle)
    return Response()


@FORMAT.get("/tei/metrics", answer=None, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
async def metrics(call: Call, classifier: Classifier) -> Response:
    """Return the server's own metrics in Prometheus' text format."""
    del classifier
    return Response(call.services.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _render_tokens(text: str, located: LocatedText, add_special_tokens: bool) -> bytes:
    whole = text.encode()
    bytes_before = [0, *itertools.accumulate(len(character.encode()) for character in text)]
    tokens = []
    for token in located.tokens:
        if token.start is not None and token.stop is not None:
            start, stop = bytes_before[token.start], bytes_before[token.stop]
            name = whole[start:stop].decode()
            tokens.append({"id": token.id, "text": name, "special": False, "start": start, "stop": stop})
        elif add_special_tokens:
            tokens.append({"id": token.id, "text": token.text, "special": True, "start": None, "stop": None})
    return orjson.dumps(tokens)


def _unpack(sequence: str | list[str]) -> TextOrPair:
    if isinstance(sequence, str):
        return sequence
    return sequence[0] if len(sequence) == 1 else (sequence[0], sequence[1])


def _respond(answer: object, done: Classification, texts: Sequence[TextOrPair], started_s: float) -> Response:
    """Return the response with the times of Text Embeddings Inference, in whole milliseconds."""
    total_ms = (time.perf_counter() - started_s) * 1000
    figures = (
        (b"x-compute-time", total_ms),
        (b"x-compute-characters", sum(len(text) if isinstance(text, str) else sum(map(len, text)) for text in texts)),
        (b"x-compute-tokens", sum(prediction.tokens for prediction in done.predictions)),
        (b"x-total-time", total_ms),
        (b"x-tokenization-time", done.tokenize_s * 1000),
        (b"x-queue-time", done.queue_s * 1000),
        (b"x-inference-time", done.inference_s * 1000),
    )
    headers = [(b"x-compute-type", b"cpu"), *((name, b"%d" % figure) for name, figure in figures), *remarks(done)]
    return PredictionResponse(orjson.dumps(answer), done, headers=headers)
