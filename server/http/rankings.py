"""Rankings: labels with their scores, the best first. Hugging Face's format and those that follow it ask and answer so.

``Inputs`` and ``Parameters`` are what they ask with. Everything is rounded as in the native format, so that a text has
the same scores in every format.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag

from artifact.manifest import TextOrPair
from artifact.scores import Activation, Head
from server.http.json_body import Text
from server.http.openapi import FOR_PAIRS
from server.inference.classifier import Classification, Prediction

DIGITS: Final = 6
Function = Literal["softmax", "sigmoid", "none"]
_ACTIVATIONS: Final[dict[Function, Activation]] = {"softmax": "softmax", "sigmoid": "sigmoid", "none": "identity"}


class Pair(BaseModel):
    """Two texts for a model that reads pairs. Without the second it is one text."""

    text: Text
    text_pair: Text | None = Field(default=None, json_schema_extra={FOR_PAIRS: True})

    def unpack(self) -> TextOrPair:
        """Return it as the classifier reads it."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)


def _kind(value: object) -> str | None:
    if isinstance(value, str):
        return "text"
    if isinstance(value, (dict, Pair)):
        return "pair"
    return "list" if isinstance(value, list) else None


_Text = Annotated[Text, Tag("text")]
_Pair = Annotated[Pair, Tag("pair")]
TextOrTwo = Annotated[
    list[Text], Field(min_length=1, max_length=2, fail_fast=True, json_schema_extra={FOR_PAIRS: True})
]
"""A text in a list of its own, or the two texts of a pair."""
OneInput = Annotated[
    _Text | _Pair,
    Discriminator(
        _kind, custom_error_type="no_text", custom_error_message="send a text, or an object with text and text_pair"
    ),
]
"""A text or a pair."""
Inputs = Annotated[
    # Fails at the first wrong text: a million errors would take seconds to collect.
    _Text | _Pair | Annotated[list[OneInput], Field(min_length=1, fail_fast=True), Tag("list")],
    Discriminator(
        _kind,
        custom_error_type="no_texts",
        custom_error_message="send a text, an object with text and text_pair, or a list of these",
    ),
]
"""A text, a pair, or several of them."""


def _number(value: object) -> object:
    """Return a number, which may be written as 2.0 in JSON; pydantic would take "2" and true as well."""
    if isinstance(value, str | bool):
        raise ValueError("send an integer")  # noqa: TRY004 - pydantic reports ValueError to the caller
    return value


class Parameters(BaseModel):
    """How an answer is made of logits, and how long it is; parameters of other tasks are ignored."""

    top_k: Annotated[int, Field(ge=1), BeforeValidator(_number)] | None = Field(
        default=None, description="so many labels with the highest scores; all by default"
    )
    function_to_apply: Function | None = Field(
        default=None, description="of logits; the model's own by default, and where it is the one that is asked for"
    )


class RankedLabel(BaseModel):
    """A label and its score."""

    label: str
    score: float


def unpack(inputs: str | Pair | Sequence[str | Pair]) -> list[TextOrPair]:
    """Return validated ``Inputs`` as the classifier reads them."""
    items = [inputs] if isinstance(inputs, str | Pair) else inputs
    return [each if isinstance(each, str) else each.unpack() for each in items]


def rank(
    prediction: Prediction, head: Head, *, top_k: int | None = None, function: Function | None = None
) -> list[dict[str, str | float]]:
    """Return a prediction as ``RankedLabel`` objects, the best first; of equal scores the first label.

    Args:
        prediction: of one text.
        head: that made it.
        top_k: labels at most; None: all.
        function: of the logits; None: the head's own, calibrated.
    """
    activation = head.activation if function is None else _ACTIVATIONS[function]
    scores = prediction.scores
    if activation != head.activation:
        scores = replace(head, activation=activation, temperature=1.0).scores(prediction.logits)
    ranked = sorted(zip(scores, head.labels, strict=True), key=lambda pair: pair[0], reverse=True)
    return [{"label": label, "score": round(score, DIGITS)} for score, label in ranked[:top_k]]


def rank_all(classification: Classification, parameters: Parameters) -> list[list[dict[str, str | float]]]:
    """Return the ranking of each text of a request."""
    head, top_k, function = classification.head, parameters.top_k, parameters.function_to_apply
    return [rank(prediction, head, top_k=top_k, function=function) for prediction in classification.predictions]
