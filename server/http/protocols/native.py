"""The native protocol: ``POST /predict``, ``POST /predict/batch`` and ``POST /tokenize``.

The shape of an answer is the head's: one label with all probabilities, the chosen labels, or a value.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, FailFast, Field
from starlette.responses import Response

from artifact.manifest import TextOrPair, Truncation
from artifact.scores import Head, Problem
from artifact.tokenization import LocatedText
from server.errors import InvalidRequestError
from server.http.call import Call
from server.http.infer import PredictionResponse, check_texts, infer
from server.http.json_body import JsonBody, Text
from server.http.openapi import FOR_PAIRS, FOR_PROBLEM
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier, Prediction

FORMAT: Final = WireFormat("native", tag="predict")

_DIGITS: Final = 6
"""Scores are rounded to so many digits."""
_TOKENS_AT_ONCE: Final = 2000
"""Rendered on the event loop's thread in about 1 ms; more are rendered on another."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    truncation: Truncation | None = Field(
        default=None,
        description="how a text longer than the model's max_length is read; the default is the model's own",
    )


class _Predict(_Body):
    stage: bool = Field(
        default=False, strict=True, description="whether each answer says which stage of the cascade it is from"
    )


class TokenizeRequest(_Body):
    """One text, or one pair."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "A film I will watch again."}]})

    text: Text
    text_pair: Text | None = Field(default=None, json_schema_extra={FOR_PAIRS: True})

    def unpack(self) -> TextOrPair:
        """Return the text, or the pair as a tuple."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)


class PredictRequest(TokenizeRequest, _Predict):
    """One text, or one pair."""


class PredictBatchRequest(_Predict):
    """Several texts or pairs, answered in their order, all or none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"texts": ["Wonderful.", "A waste of time."]}]})

    # Fails at the first wrong text: collecting a million errors would hold up everyone for seconds.
    texts: Annotated[list[Text], FailFast()] = Field(min_length=1)
    text_pairs: Annotated[list[Text], FailFast()] = Field(
        default=[],
        description="the second text of each pair, in the order of texts",
        json_schema_extra={FOR_PAIRS: True},
    )


class _Answer(BaseModel):
    tokens: int = Field(description="tokens read, special tokens included")
    truncated: bool = Field(description="whether the model did not read the whole text")
    unknown: int = Field(
        default=0, description="tokens that the tokenizer does not know; left out where there are none"
    )
    stage: Literal["first", "graph"] | None = Field(default=None, description="what answered; only where asked for")


class LabelPrediction(_Answer):
    """The answer of a single-label model to one text."""

    model_config = ConfigDict(json_schema_extra={FOR_PROBLEM: "single_label"})

    sentiment: int = Field(description="index of the most probable label")
    label: str = Field(description="the name of that label")
    probabilities: list[float] = Field(description="calibrated, in label order, rounded to six digits")


class LabelsPrediction(_Answer):
    """The answer of a multi-label model to one text."""

    model_config = ConfigDict(json_schema_extra={FOR_PROBLEM: "multi_label"})

    labels: list[str] = Field(description="the labels whose probability reaches their threshold, in label order")
    probabilities: list[float] = Field(description="of each label, in label order, rounded to six digits")


class ValuePrediction(_Answer):
    """The answer of a regression to one text."""

    model_config = ConfigDict(json_schema_extra={FOR_PROBLEM: "regression"})

    value: float = Field(description="rounded to six digits")


AnyPrediction = LabelPrediction | LabelsPrediction | ValuePrediction


class BatchAnswer(BaseModel):
    """The predictions of a batch, in the order of its texts."""

    predictions: list[AnyPrediction]


class TokenAnswer(BaseModel):
    """A token. Its place is counted in Unicode code points of the text as it was sent."""

    text: str = Field(description="in the vocabulary")
    start: int | None = Field(description="first character; null for a special token")
    stop: int | None = Field(description="the character after the last one; null for a special token")
    unknown: bool = Field(description="whether the tokenizer does not know its characters")
    part: int | None = Field(
        default=None, description="only for pairs: 0 of the text, 1 of the text_pair, null for a special token"
    )


class TokenizeAnswer(BaseModel):
    """The tokens of a text, also of what the model does not read of it."""

    tokens: list[TokenAnswer] = Field(description="in order, special tokens included")
    truncated: bool = Field(description="whether the model does not read the whole text")
    read: list[tuple[int, int]] = Field(description="which characters of the text the model reads, as [start, stop]")
    read_pair: list[tuple[int, int]] | None = Field(default=None, description="only for pairs: of the text_pair")
    max_length: int = Field(description="tokens that the model reads at most, special tokens included")


_one = JsonBody(PredictRequest)
_many = JsonBody(PredictBatchRequest)
_tokenize = JsonBody(TokenizeRequest)


@FORMAT.post("/predict", body=_one, answer=AnyPrediction)
async def predict(call: Call, classifier: Classifier) -> Response:
    """Classify one text."""
    body = await _one.read(call)
    classification = await infer(call, classifier, [body.unpack()], body.truncation)
    answer = render_prediction(classification.head, classification.predictions[0], stage=body.stage)
    return PredictionResponse(orjson.dumps(answer), classification)


@FORMAT.post("/predict/batch", body=_many, answer=BatchAnswer)
async def predict_batch(call: Call, classifier: Classifier) -> Response:
    """Classify several texts, all or none."""
    body = await _many.read(call)
    classification = await infer(call, classifier, _texts(body), body.truncation)
    head = classification.head
    answers = [render_prediction(head, prediction, stage=body.stage) for prediction in classification.predictions]
    return PredictionResponse(orjson.dumps({"predictions": answers}), classification)


@FORMAT.post("/tokenize", body=_tokenize, answer=TokenizeAnswer)
async def tokenize(call: Call, classifier: Classifier) -> Response:
    """Show the tokens of one text, and what the model reads of it."""
    body = await _tokenize.read(call)
    text = body.unpack()
    check_texts([text], call.services.settings)
    located = await call.while_connected(
        classifier.tokenize(text, truncation=body.truncation, timeout_s=call.patience_s())
    )
    max_length = classifier.info.max_length
    if len(located.tokens) <= _TOKENS_AT_ONCE:
        document = _render_tokens(located, max_length)
    else:
        document = await asyncio.to_thread(_render_tokens, located, max_length)
    return Response(document, media_type="application/json")


def _render_tokens(located: LocatedText, max_length: int) -> bytes:
    pairs = len(located.read) > 1
    tokens = [
        {"text": token.text, "start": token.start, "stop": token.stop, "unknown": token.unknown}
        | ({"part": token.part} if pairs else {})
        for token in located.tokens
    ]
    read = dict(zip(("read", "read_pair"), located.read, strict=False))
    return orjson.dumps({"tokens": tokens, "truncated": located.truncated, **read, "max_length": max_length})


def render_prediction(head: Head, prediction: Prediction, *, stage: bool = False) -> dict[str, Any]:
    """Return the native answer to one text; with ``stage``, it says which stage of the cascade answered."""
    answer = _RENDER[head.problem](head, prediction)
    answer["tokens"] = prediction.tokens
    answer["truncated"] = prediction.truncated
    if prediction.unknown:
        answer["unknown"] = prediction.unknown
    if stage:
        answer["stage"] = "first" if prediction.by_first_stage else "graph"
    return answer


def _texts(body: PredictBatchRequest) -> Sequence[TextOrPair]:
    if not body.text_pairs:
        return body.texts
    if len(body.texts) != len(body.text_pairs):
        raise InvalidRequestError(
            f"texts has {len(body.texts)} and text_pairs {len(body.text_pairs)} items; send one text_pair for each text"
        )
    return list(zip(body.texts, body.text_pairs, strict=True))


def _label(head: Head, prediction: Prediction) -> dict[str, Any]:
    (best,) = head.chosen(prediction.scores)
    return {"sentiment": best, "label": head.labels[best], "probabilities": _rounded(prediction.scores)}


def _labels(head: Head, prediction: Prediction) -> dict[str, Any]:
    names = [head.labels[index] for index in head.chosen(prediction.scores)]
    return {"labels": names, "probabilities": _rounded(prediction.scores)}


def _value(_: Head, prediction: Prediction) -> dict[str, Any]:
    (value,) = _rounded(prediction.scores)
    return {"value": value}


_RENDER: Final[dict[Problem, Callable[[Head, Prediction], dict[str, Any]]]] = {
    "single_label": _label,
    "multi_label": _labels,
    "regression": _value,
}


def _rounded(scores: list[float]) -> list[float]:
    return [round(score, _DIGITS) for score in scores]
