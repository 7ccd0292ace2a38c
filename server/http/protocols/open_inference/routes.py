"""The routes of the Open Inference Protocol. Triton's and KServe's clients call them."""

from typing import Final

import orjson
from starlette.responses import Response

from server.errors import InvalidRequestError, NoTextError, NotFoundError, NotReadyError
from server.http.call import Call
from server.http.errors import ErrorFormat
from server.http.infer import infer
from server.http.protocols.open_inference.outputs import choose_outputs, describe_outputs, make_tensors
from server.http.protocols.open_inference.request import InferenceBody, read_texts
from server.http.protocols.open_inference.response import (
    BINARY_RESPONSE,
    InferenceResponse,
    ModelMetadata,
    ModelReady,
    OpenInferenceError,
    ServerLive,
    ServerMetadata,
    ServerReady,
    write_error,
    write_predictions,
)
from server.http.wire_format import WireFormat
from server.inference.classifier import Classifier, ModelInfo

FORMAT: Final = WireFormat(
    "open_inference",
    prefix="/v2/",
    style=ErrorFormat(write_error, OpenInferenceError, {InvalidRequestError: 400, NoTextError: 400}),
)
_MODEL: Final = "/v2/models/{name}"
_VERSION: Final = "/v2/models/{name}/versions/{version}"
_EXTENSIONS: Final = ["binary_tensor_data", "classification"]
_PLATFORM: Final = "onnxruntime_onnx"
"""What Triton calls a model that onnxruntime runs."""
_body = InferenceBody()


@FORMAT.get("/v2/", answer=ServerMetadata, include_in_schema=False)
@FORMAT.get("/v2", answer=ServerMetadata)
async def server_metadata(call: Call, classifier: Classifier) -> Response:
    """Name the server and the extensions of the protocol that it has."""
    del call
    return _json({"name": "verdict", "version": classifier.info.version, "extensions": _EXTENSIONS})


@FORMAT.get("/v2/health/live", answer=ServerLive, probe=True)
async def server_live(call: Call, classifier: Classifier) -> Response:
    """Say that the server runs."""
    del call, classifier
    return _json({"live": True})


@FORMAT.get("/v2/health/ready", answer=ServerReady, probe=True, fails_with=(NotReadyError,))
async def server_ready(call: Call, classifier: Classifier) -> Response:
    """Say whether the server takes requests."""
    del classifier
    if not call.services.lifecycle.ready:
        raise NotReadyError("the server takes no requests now; send them to another one")
    return _json({"ready": True})


@FORMAT.get(_VERSION, answer=ModelMetadata, fails_with=(NotFoundError,))
@FORMAT.get(_MODEL, answer=ModelMetadata, fails_with=(NotFoundError,))
async def model_metadata(call: Call, classifier: Classifier) -> Response:
    """Describe the tensors of the model."""
    model = _find_model(call, classifier)
    names = ("text", "text_pair") if model.pairs else ("text",)
    return _json(
        {
            "name": model.name,
            "versions": [model.version],
            "platform": _PLATFORM,
            "inputs": [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in names],
            "outputs": describe_outputs(model.problem, len(model.labels)),
        }
    )


@FORMAT.get(_VERSION + "/ready", answer=ModelReady, fails_with=(NotFoundError,))
@FORMAT.get(_MODEL + "/ready", answer=ModelReady, fails_with=(NotFoundError,))
async def model_ready(call: Call, classifier: Classifier) -> Response:
    """Say that the model takes requests: no request arrives here before it does, or once the server drains."""
    return _json({"name": _find_model(call, classifier).name, "ready": True})


@FORMAT.post(
    _VERSION + "/infer", body=_body, answer=InferenceResponse, fails_with=(NotFoundError,), responses=BINARY_RESPONSE
)
@FORMAT.post(
    _MODEL + "/infer", body=_body, answer=InferenceResponse, fails_with=(NotFoundError,), responses=BINARY_RESPONSE
)
async def infer_model(call: Call, classifier: Classifier) -> Response:
    """Classify the texts of a tensor, all or none."""
    model = _find_model(call, classifier)
    request, tail = await _body.read(call)
    choices = choose_outputs(request, model.problem)
    texts = read_texts(request.inputs, tail, call.services.settings)
    classification = await infer(call, classifier, texts, request.parameters.truncation)
    tensors = make_tensors(choices, classification.head, classification.predictions)
    return write_predictions(tensors, request.id, model, classification)


def _find_model(call: Call, classifier: Classifier) -> ModelInfo:
    """Return the model that is served.

    Raises:
        NotFoundError: if the path names another one, or another version of it.
    """
    model, asked = classifier.info, call.path_params
    name, version = asked["name"], asked.get("version", model.version)
    if name != model.name:
        raise NotFoundError(f"model {name!r:.100} is not served; {model.name!r} is")
    if version != model.version:
        raise NotFoundError(f"version {version!r:.100} of {name!r} is not served; {model.version!r} is")
    return model


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
