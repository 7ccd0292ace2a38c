"""Whether the labels of the data are those of the model: figures far below what the model can do say that they are not.

Names that were read as indices, or two orders of the same labels, leave no trace in a file. They show in the accuracy:
of twelve classes in another order, a perfect model is right on one text in six.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from artifact.scores import confusion
from export.errors import ExportError

_FAR: Final = 0.20
"""Accuracy below the recorded one that another domain may cost; more, beyond three standard errors, is a mistake."""
_WRONG: Final = 0.5
_RIGHT: Final = 0.8
"""Labels are in another order if at most the first share is right as they are, and the second in that order."""
_SHOWN: Final = 5
_REMEDY: Final = "correct the labels, or give the texts without them (,label= behind the file's name)"


def check_labels(
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    names: Sequence[str],
    *,
    where: str,
    recorded: float | None = None,
) -> None:
    """Check predictions against the labels of the data.

    Args:
        predicted: (texts,) indices that the model predicts.
        labels: (texts,) indices that the data has.
        names: of the labels.
        where: the data, for messages.
        recorded: held-out accuracy that training recorded; None where it is not known.

    Raises:
        ExportError: if far fewer predictions are right than training recorded, or most would be with the labels in
            another order.
    """
    right = float((predicted == labels).mean())
    if other := _other_order(predicted, labels, len(names)):
        order = ", ".join(f"{names[label]} is predicted as {names[answer]}" for label, answer in other[:_SHOWN])
        raise ExportError(
            f"the model is right on {right:.1%} of {len(labels)} texts of {where}, and its labels are in another "
            f"order: {order}; {_REMEDY}"
        )
    if recorded is None:
        return
    error = 3 * (recorded * (1 - recorded) / len(labels)) ** 0.5
    if right < recorded - _FAR - error:
        raise ExportError(
            f"the model is right on {right:.1%} of {len(labels)} texts of {where}, but on {recorded:.1%} of the rows "
            f"that training held out: these are other labels, or texts that it does not know; {_REMEDY}"
        )


def recorded_accuracy(directory: Path) -> float | None:
    """Return the held-out accuracy in a checkpoint's ``metrics.json`` over all sources; None where there is none."""
    try:
        entries = json.loads((directory / "metrics.json").read_bytes())["evaluations"]
        rows = sum(int(entry["n"]) for entry in entries)
        return sum(float(entry["accuracy"]) * int(entry["n"]) for entry in entries) / rows
    except (OSError, ValueError, LookupError, TypeError, ZeroDivisionError):
        return None


def _other_order(predicted: NDArray[np.int64], labels: NDArray[np.int64], count: int) -> list[tuple[int, int]]:
    """Return each label with the one that is predicted in its place; empty if that does not make most texts right."""
    table = confusion(predicted, labels, count)
    occurring = [label for label in range(count) if table[label].any()]
    pairs = [(label, int(table[label].argmax())) for label in occurring]
    distinct = len({answer for _, answer in pairs}) == len(pairs) > 1
    right = sum(table[pair] for pair in pairs) / len(labels)
    swapped = distinct and right >= _RIGHT and np.trace(table) / len(labels) <= _WRONG
    return [pair for pair in pairs if pair[0] != pair[1]] if swapped else []
