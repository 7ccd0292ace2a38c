"""The native protocol: ``POST /predict`` and ``POST /predict/batch``."""

from dataclasses import dataclass
from typing import Annotated, Final

import orjson
from pydantic import BaseModel, ConfigDict, FailFast, Field
from starlette.responses import Response

from artifact.manifest import Truncation
from server.http.call import Call
from server.http.infer import PredictionResponse, infer
from server.http.json_body import JsonBody, Text
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier, Prediction

FORMAT: Final = WireFormat("native", tag="predict")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    truncation: Truncation | None = Field(
        default=None,
        description="how a text longer than the model's max_length is read; the default is the model's own",
    )


class PredictRequest(_Body):
    """One text."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "A film I will watch again."}]})

    text: Text


class PredictBatchRequest(_Body):
    """Several texts, answered in their order, all or none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"texts": ["Wonderful.", "A waste of time."]}]})

    # Fails at the first wrong text: collecting a million errors would hold up everyone for seconds.
    texts: Annotated[list[Text], FailFast()] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The predictions of a batch, in the order of its texts."""

    predictions: list[Prediction]


_one = JsonBody(PredictRequest)
_many = JsonBody(PredictBatchRequest)


@FORMAT.post("/predict", body=_one, answer=Prediction)
async def predict(call: Call, classifier: Classifier) -> Response:
    """Classify one text."""
    body = await _one.read(call)
    classification = await infer(call, classifier, [body.text], body.truncation)
    return PredictionResponse(orjson.dumps(classification.predictions[0]), classification)


@FORMAT.post("/predict/batch", body=_many, answer=BatchAnswer)
async def predict_batch(call: Call, classifier: Classifier) -> Response:
    """Classify several texts, all or none."""
    body = await _many.read(call)
    classification = await infer(call, classifier, body.texts, body.truncation)
    return PredictionResponse(orjson.dumps(BatchAnswer(classification.predictions)), classification)
