"""Explanations: ``POST /explain``, which parts of a text the model's answer depends on.

An answer has the method and its limits in words, because its numbers are easily taken for more than they are.
"""

from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from artifact.scores import Head
from server.errors import InvalidRequestError, VerdictError
from server.http.call import Call
from server.http.infer import PredictionResponse, check_texts
from server.http.json_body import JsonBody
from server.http.openapi import OF_LABELS
from server.http.protocols.native import TokenizeRequest
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier
from server.inference.explain import Explanation, Part
from server.inference.spans import By

FORMAT: Final = WireFormat("explain")

_DIGITS: Final = 6
"""As in ``/predict``."""
_METHOD: Final = "leave-one-out"
_NOTE: Final = (
    "A contribution is the score of the whole text minus the score of the text without the part. Parts interact, so "
    "contributions do not add up to the score. They show how this model reacts to changes of this text; they prove no "
    "cause and say nothing about other texts."
)


class ExplainRequest(TokenizeRequest):
    """One text or one pair, and how it is cut into parts."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "A fine cast. The plot is dull.", "by": "sentence"}]}
    )

    by: By = Field(default="sentence", description="the parts that are left out, one at a time")
    label: str | None = Field(
        default=None,
        description="the label that is explained; the default is the most probable one",
        json_schema_extra={OF_LABELS: True},
    )


class PartAnswer(BaseModel):
    """A part of the text: ``text[start:stop]``, counted in Unicode code points of the text as it was sent."""

    start: int
    stop: int
    text: str
    part: int | None = Field(default=None, description="only for pairs: 0 of the text, 1 of the text_pair")
    score_without: float | None = Field(
        description="of the explained label without this part, as /predict answers; null where nothing is left to read"
    )
    contribution: float | None = Field(description="score of the whole text minus score without this part")
    contributions: list[float] | None = Field(description="the same for each label, in label order")


class ExplainAnswer(BaseModel):
    """The scores of the whole text, and what each of its parts contributes to them."""

    method: Literal["leave-one-out"]
    note: str = Field(description="what the contributions are, and what they are not")
    by: By
    label: str = Field(description="the explained label; of a regression its only one")
    score: float = Field(description="of that label for the whole text: its probability, or the value of a regression")
    labels: list[str]
    scores: list[float] = Field(description="of the whole text, in label order, rounded to six digits")
    tokens: int = Field(description="tokens read of the whole text, special tokens included")
    truncated: bool = Field(description="whether the model did not read the whole text")
    parts: list[PartAnswer] = Field(description="in order; each visible character is in one of them")


_body = JsonBody(ExplainRequest)


@FORMAT.post("/explain", body=_body, answer=ExplainAnswer)
async def explain(call: Call, classifier: Classifier) -> Response:
    """Show which parts of a text the answer depends on: each is left out in turn. It runs behind all predictions."""
    body = await _body.read(call)
    text, services = body.unpack(), call.services
    _check_label(body.label, classifier)
    try:
        check_texts([text], services.settings)
        explanation = await call.while_connected(
            services.explainer.explain(
                classifier, text, body.by, truncation=body.truncation, timeout_s=call.patience_s()
            )
        )
    except VerdictError as error:
        services.metrics.texts.labels(error.kind).inc()
        raise
    call.tell(lambda: {"parts": len(explanation.parts)})
    return PredictionResponse(orjson.dumps(_render(explanation, body)), explanation.whole)


def _check_label(label: str | None, classifier: Classifier) -> None:
    labels = classifier.info.labels
    if label is not None and label not in labels:
        raise InvalidRequestError(f"label: {label!r:.60} is no label of this model; send one of {', '.join(labels)}")


def _render(explanation: Explanation, body: ExplainRequest) -> dict[str, Any]:
    head, whole = explanation.whole.head, explanation.whole.predictions[0]
    scores = _rounded(whole.scores)
    label = _choose(head, whole.scores, body.label)
    texts = [body.text, body.text_pair or ""]
    return {
        "method": _METHOD,
        "note": _NOTE,
        "by": body.by,
        "label": head.labels[label],
        "score": scores[label],
        "labels": head.labels,
        "scores": scores,
        "tokens": whole.tokens,
        "truncated": whole.truncated,
        "parts": [
            _render_part(part, texts[part.part], scores, label) | ({"part": part.part} if body.text_pair else {})
            for part in explanation.parts
        ],
    }


def _render_part(part: Part, text: str, whole: list[float], label: int) -> dict[str, Any]:
    start, stop = part.span
    place = {"start": start, "stop": stop, "text": text[start:stop]}
    if part.without is None:
        return place | {"score_without": None, "contribution": None, "contributions": None}
    scores = _rounded(part.without.scores)
    differences = _rounded([before - after for before, after in zip(whole, scores, strict=True)])
    return place | {"score_without": scores[label], "contribution": differences[label], "contributions": differences}


def _choose(head: Head, scores: list[float], label: str | None) -> int:
    return scores.index(max(scores)) if label is None else head.labels.index(label)


def _rounded(scores: list[float]) -> list[float]:
    return [round(score, _DIGITS) for score in scores]
