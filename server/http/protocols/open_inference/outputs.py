"""Outputs: predictions -> the tensors that a request asks for. They depend on the problem that the model answers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from artifact.scores import Head
from server.errors import InvalidRequestError
from server.http.protocols.open_inference.binary import write_elements
from server.http.protocols.open_inference.request import InferenceRequest, RequestedOutput
from server.inference.classifier import Prediction

Datatype = Literal["BYTES", "FP32", "INT32", "BOOL"]
_DTYPES: Final[dict[Datatype, str]] = {"FP32": "<f4", "INT32": "<i4", "BOOL": "?"}


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """A tensor of an answer.

    Attributes:
        name: of the output.
        datatype: of its elements.
        shape: of the tensor.
        values: its elements in row-major order: an array of the shape, or the strings of BYTES.
        binary: whether its bytes stand behind the JSON document.
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    values: NDArray[Any] | list[str]
    binary: bool

    def describe(self) -> dict[str, Any]:
        """Return the tensor for the JSON document, without data."""
        return {"name": self.name, "datatype": self.datatype, "shape": self.shape}

    def data(self) -> object:
        """Return the elements for the JSON document, flat."""
        return self.values if isinstance(self.values, list) else self.values.ravel()

    def raw(self) -> bytes:
        """Return the elements as bytes."""
        if isinstance(self.values, list):
            return write_elements(value.encode() for value in self.values)
        return self.values.tobytes()


@dataclass(frozen=True, slots=True)
class _Output:
    """An output that a model has.

    Attributes:
        datatype: of its elements.
        values: a text's elements.
        per_label: whether a text has an element for each label, in their order, or one element.
    """

    datatype: Datatype
    values: Callable[[Head, Prediction], Iterable[Any]]
    per_label: bool = False

    def shape(self, texts: int, labels: int) -> tuple[int, ...]:
        """Return the shape for so many texts."""
        return (texts, labels) if self.per_label else (texts,)


def _one_label(head: Head, prediction: Prediction) -> Iterable[str]:
    return [head.labels[index] for index in head.chosen(prediction.scores)]


def _chosen_labels(head: Head, prediction: Prediction) -> Iterable[str]:
    chosen = head.chosen(prediction.scores)
    return [label if index in chosen else "" for index, label in enumerate(head.labels)]


_SCORES: Final = _Output("FP32", lambda _, prediction: prediction.scores, per_label=True)
_READING: Final = {
    "tokens": _Output("INT32", lambda _, prediction: (prediction.tokens,)),
    "truncated": _Output("BOOL", lambda _, prediction: (prediction.truncated,)),
    "unknown": _Output("INT32", lambda _, prediction: (prediction.unknown,)),
}
_OUTPUTS: Final[dict[str, dict[str, _Output]]] = {
    "single_label": {"scores": _SCORES, "label": _Output("BYTES", _one_label), **_READING},
    "multi_label": {"scores": _SCORES, "label": _Output("BYTES", _chosen_labels, per_label=True), **_READING},
    "regression": {"scores": _SCORES, **_READING},
}
"""A multi-label model's ``label`` has a place for each label: its name where it is chosen, else the empty string."""


@dataclass(frozen=True, slots=True)
class OutputChoice:
    """An output as a request wants it.

    Attributes:
        name: of the output.
        binary: whether its bytes stand behind the JSON document.
        classification: so many of the highest scores, each as ``score:index:label``; 0 for all scores as numbers.
    """

    name: str
    binary: bool = field(default=False)
    classification: int = 0


def choose_outputs(request: InferenceRequest, problem: str) -> list[OutputChoice]:
    """Return the outputs that a request names, or all of the model's where it names none.

    Args:
        request: the JSON document.
        problem: what the model answers.

    Raises:
        InvalidRequestError: if it names one that the model does not have, or one twice, or classifies no scores.
    """
    names = list(_OUTPUTS[problem])
    binary = request.parameters.binary_data_output
    if not request.outputs:
        return [OutputChoice(name, binary) for name in names]
    chosen = [_choose(each, names, binary=binary) for each in request.outputs]
    if len({each.name for each in chosen}) != len(chosen):
        raise InvalidRequestError("an output is named twice; name each once")
    return chosen


def _choose(output: RequestedOutput, names: Sequence[str], *, binary: bool) -> OutputChoice:
    name, parameters = output.name, output.parameters
    if name not in names:
        raise InvalidRequestError(f"output {name!r:.60} is unknown; the outputs are {', '.join(names)}")
    if parameters.classification and name != "scores":
        raise InvalidRequestError(f"output {name}: classification is a parameter of scores alone")
    return OutputChoice(
        name, binary if parameters.binary_data is None else parameters.binary_data, parameters.classification
    )


def make_tensors(choices: Sequence[OutputChoice], head: Head, predictions: Sequence[Prediction]) -> list[OutputTensor]:
    """Return the tensors of an answer.

    Args:
        choices: as of ``choose_outputs``.
        head: of the model.
        predictions: of each text.
    """
    return [
        _classes(choice, head, predictions) if choice.classification else _tensor(choice, head, predictions)
        for choice in choices
    ]


def _tensor(choice: OutputChoice, head: Head, predictions: Sequence[Prediction]) -> OutputTensor:
    output = _OUTPUTS[head.problem][choice.name]
    shape = output.shape(len(predictions), len(head.labels))
    elements = [value for prediction in predictions for value in output.values(head, prediction)]
    values = elements if output.datatype == "BYTES" else np.array(elements, _DTYPES[output.datatype])
    return OutputTensor(choice.name, output.datatype, shape, values, choice.binary)


def _classes(choice: OutputChoice, head: Head, predictions: Sequence[Prediction]) -> OutputTensor:
    """Return the highest scores with their labels, as Triton's classification extension writes them."""
    count = min(choice.classification, len(head.labels))
    values = [
        f"{prediction.scores[index]:.6f}:{index}:{head.labels[index]}"
        for prediction in predictions
        for index in sorted(range(len(head.labels)), key=lambda label, of=prediction.scores: -of[label])[:count]  # type: ignore[misc]
    ]
    return OutputTensor(choice.name, "BYTES", (len(predictions), count), values, choice.binary)


def describe_outputs(problem: str, labels: int) -> list[dict[str, Any]]:
    """Return the metadata of a model's outputs; -1 stands for any number of texts."""
    return [
        {"name": name, "datatype": output.datatype, "shape": output.shape(-1, labels)}
        for name, output in _OUTPUTS[problem].items()
    ]
