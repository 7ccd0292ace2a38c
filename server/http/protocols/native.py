"""The native protocol: ``POST /predict`` and ``POST /predict/batch``.

The shape of an answer is the head's: one label with all probabilities, the chosen labels, or a value.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, FailFast, Field
from starlette.responses import Response

from artifact.manifest import TextOrPair, Truncation
from artifact.scores import Head, Problem
from server.errors import InvalidRequestError
from server.http.call import Call
from server.http.infer import PredictionResponse, infer
from server.http.json_body import JsonBody, Text
from server.http.openapi import FOR_PAIRS, FOR_PROBLEM
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier, Prediction

FORMAT: Final = WireFormat("native", tag="predict")

_DIGITS: Final = 6
"""Scores are rounded to so many digits."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    truncation: Truncation | None = Field(
        default=None,
        description="how a text longer than the model's max_length is read; the default is the model's own",
    )
    stage: bool = Field(
        default=False, strict=True, description="whether each answer says which stage of the cascade it is from"
    )


class PredictRequest(_Body):
    """One text, or one pair."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "A film I will watch again."}]})

    text: Text
    text_pair: Text | None = Field(default=None, json_schema_extra={FOR_PAIRS: True})


class PredictBatchRequest(_Body):
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


_one = JsonBody(PredictRequest)
_many = JsonBody(PredictBatchRequest)


@FORMAT.post("/predict", body=_one, answer=AnyPrediction)
async def predict(call: Call, classifier: Classifier) -> Response:
    """Classify one text."""
    body = await _one.read(call)
    text = body.text if body.text_pair is None else (body.text, body.text_pair)
    classification = await infer(call, classifier, [text], body.truncation)
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
