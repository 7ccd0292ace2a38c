"""Head: what a checkpoint answers and what it reads, from its configuration, its recipe and the user's choice.

A configuration says which problem a model was trained for, as transformers' pipeline reads it, and cross-encoders of
sentence-transformers name their activation. Nothing in it says whether a model reads pairs, except for these.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transformers import PretrainedConfig

from artifact.scores import Activation, Head, Problem
from export.errors import ExportError

_PROBLEMS: Final[dict[str, Problem]] = {
    "single_label_classification": "single_label",
    "multi_label_classification": "multi_label",
    "regression": "regression",
}
_THRESHOLD: Final = 0.5
"""Of each label, until thresholds are fitted."""
_OF_PAIRS: Final = ("entailment", "contradiction", "duplicate", "paraphrase")
"""Words in the names of labels that only pairs of texts have."""


@dataclass(frozen=True, slots=True)
class HeadChoice:
    """What the user says of the head; None leaves it to the checkpoint.

    Attributes:
        problem: what the model answers.
        activation: how a lone logit becomes a value.
        pairs: whether the model reads pairs.
    """

    problem: Problem | None = None
    activation: Activation | None = None
    pairs: bool | None = None


@dataclass(frozen=True, slots=True)
class FoundHead:
    """A checkpoint's head before it is calibrated.

    Attributes:
        head: with temperature 1, and thresholds of 0.5.
        pairs: whether the model reads pairs.
        notes: what was decided, a line each.
    """

    head: Head
    pairs: bool
    notes: tuple[str, ...]


def read_head(
    directory: Path, config: PretrainedConfig, labels: Sequence[str], recipe: dict[str, Any], choice: HeadChoice
) -> FoundHead:
    """Return the head of a checkpoint.

    Raises:
        ExportError: if the number of its labels does not fit its problem, or the choice contradicts it.
    """
    problem = choice.problem or recipe.get("problem") or _problem(config, labels)
    count = len(labels)
    if problem == "regression" and count > 1:
        raise ExportError(
            f"{directory} is a regression of {count} values ({', '.join(labels)}), and a regression has one; "
            "--problem multi_label or single_label reads them as labels"
        )
    if problem == "single_label" and count == 1:
        raise ExportError(
            f"{directory} has one label, {labels[0]!r}, and a single-label model has two or more; leave --problem out"
        )
    pairs, why = _reads_pairs(config, labels, recipe, choice)
    activation: Activation = "softmax"
    if problem == "multi_label":
        activation = "sigmoid"
    elif problem == "regression":
        activation = choice.activation or recipe.get("activation") or _activation(directory, config)
    elif choice.activation is not None:
        raise ExportError(f"--activation is for a model of one logit, and {directory} has {count}; leave it out")
    thresholds = (_THRESHOLD,) * count if problem == "multi_label" else ()
    notes = [_NOTES[problem].format(count=count, activation=activation)] if problem != "single_label" else []
    notes += [f"the model reads pairs of texts: {why}"] if pairs else []
    return FoundHead(Head(tuple(labels), 1.0, problem, thresholds, activation), pairs, tuple(notes))


_NOTES: Final = {
    "multi_label": "multi-label: sigmoid of each of {count} logits; --problem single_label would choose one label",
    "regression": "one logit: its value is the {activation} of it; --activation identity or sigmoid chooses",
}


def _problem(config: PretrainedConfig, labels: Sequence[str]) -> Problem:
    """Return the problem that the configuration names; without a name one logit is a score, several exclude another."""
    if config.problem_type is not None:
        return _PROBLEMS.get(str(config.problem_type), "single_label") if len(labels) > 1 else _of_one(config)
    return "regression" if len(labels) == 1 else "single_label"


def _of_one(config: PretrainedConfig) -> Problem:
    return "multi_label" if _PROBLEMS.get(str(config.problem_type)) == "multi_label" else "regression"


def _activation(directory: Path, config: PretrainedConfig) -> Activation:
    """Return what makes the value of one logit: a cross-encoder says it, a regression is the logit itself.

    Else it is the sigmoid, as in transformers' pipeline.

    Raises:
        ExportError: if a cross-encoder names another one.
    """
    named = _cross_encoder(config)
    if named is None or not isinstance(named, str):
        return "identity" if config.problem_type == "regression" else "sigmoid"
    last = named.rpartition(".")[2].lower()
    if last == "identity":
        return "identity"
    if last == "sigmoid":
        return "sigmoid"
    raise ExportError(f"{directory}: the activation {named} is neither identity nor sigmoid; choose with --activation")


def _cross_encoder(config: PretrainedConfig) -> object:
    """Return the activation of a cross-encoder, True where it names none; None where it is no cross-encoder."""
    own = getattr(config, "sentence_transformers", None)
    if isinstance(own, dict):
        return own.get("activation_fn") or True
    return getattr(config, "sbert_ce_default_activation_function", None)


def _reads_pairs(
    config: PretrainedConfig, labels: Sequence[str], recipe: dict[str, Any], choice: HeadChoice
) -> tuple[bool, str]:
    """Return whether a model reads pairs, and why it is thought so."""
    if choice.pairs is not None:
        return choice.pairs, "as asked for"
    if "pairs" in recipe:
        return bool(recipe["pairs"]), "its recipe says so"
    if _cross_encoder(config) is not None:
        return True, "it is a cross-encoder; --no-pairs for single texts"
    telling = [label for label in labels if any(word in label.lower() for word in _OF_PAIRS)]
    return bool(telling), f"its labels are {', '.join(labels)}; --no-pairs for single texts"
