"""A classifier and its tokenizer, loaded from a base model or a checkpoint.

Owns loading and the parameter groups of the optimizer. Knows neither data nor the training loop.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import torch
import transformers

from artifact.pairs import PairTokenization
from artifact.scores import Problem
from artifact.tokenization import Tokenization
from training.config import HyperParameters

PROBLEM_TYPES: Final[dict[Problem, str]] = {
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}
"""The names that transformers has for the problems."""
_REASON_CHARS: Final = 300
_LAYER: Final = re.compile(r"\.(?:layer|layers|h|block)\.(\d+)\.")


class ModelError(Exception):
    """The base model or checkpoint cannot be used; the message says why."""


def load_tokenizer(location: str) -> transformers.PreTrainedTokenizerFast:
    """Return the model's fast tokenizer.

    Raises:
        ModelError: if there is none, or it has no padding token.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(location, use_fast=True)
    except Exception as error:  # missing and damaged files raise many classes, one of them Exception itself
        raise ModelError(f"{location} has no readable tokenizer: {_first_line(error)}") from error
    if not tokenizer.is_fast:
        raise ModelError(f"the tokenizer of {location} is not a fast tokenizer; the server needs a tokenizer.json")
    if tokenizer.pad_token_id is None:
        raise ModelError(f"the tokenizer of {location} has no padding token")
    return tokenizer


def tokenization_of(
    tokenizer: transformers.PreTrainedTokenizerFast, parameters: HyperParameters, *, pairs: bool = False
) -> Tokenization:
    """Return the tokenization that the server uses, for this tokenizer, of single texts or of pairs.

    Raises:
        ModelError: if ``max_length`` and ``head_tokens`` contradict each other.
    """
    try:
        if pairs:
            return PairTokenization(tokenizer.backend_tokenizer, max_length=parameters.max_length)
        return Tokenization(
            tokenizer.backend_tokenizer,
            max_length=parameters.max_length,
            head_tokens=parameters.head_tokens,
        )
    except ValueError as error:
        raise ModelError(str(error)) from error


def load_classifier(
    location: str, labels: Sequence[str], parameters: HyperParameters, problem: Problem = "single_label"
) -> transformers.PreTrainedModel:
    """Return the base model with a new classifier of ``labels``, in fp32.

    The problem decides the model's own loss: cross entropy, binary cross entropy or squared error.

    Raises:
        ModelError: if it cannot be loaded or reads fewer tokens than ``max_length``.
    """
    dropouts = {
        "hidden_dropout_prob": parameters.dropout,
        "dropout": parameters.dropout,
        "attention_probs_dropout_prob": parameters.attention_dropout,
        "attention_dropout": parameters.attention_dropout,
    }
    try:
        config = transformers.AutoConfig.from_pretrained(
            location,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={name: index for index, name in enumerate(labels)},
            problem_type=PROBLEM_TYPES[problem],
        )
        for name, value in dropouts.items():
            if hasattr(config, name):
                setattr(config, name, value)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            location, config=config, dtype=torch.float32, ignore_mismatched_sizes=True
        )
    except Exception as error:  # as above; damaged weights raise a class of safetensors
        raise ModelError(f"{location} cannot be loaded as a classifier: {_first_line(error)}") from error
    readable = _readable_tokens(model)
    if readable is not None and parameters.max_length > readable:
        raise ModelError(f"max_length {parameters.max_length} exceeds the {readable} tokens that {location} can read")
    return model


def has_token_types(model: transformers.PreTrainedModel) -> bool:
    """Return whether the model has embeddings of more than one token type."""
    return int(getattr(model.config, "type_vocab_size", 0) or 0) > 1


def parameter_groups(model: transformers.PreTrainedModel, parameters: HyperParameters) -> list[dict[str, Any]]:
    """Return AdamW groups: no weight decay on vectors (biases, norms), and a learning rate by depth.

    Layer-wise decay as in Howard & Ruder 2018 (ULMFiT): the classifier learns at the peak rate, each layer at
    ``layer_decay`` times the rate of the layer above, and the embeddings at the lowest rate.
    """
    depths = [int(found[1]) for name, _ in model.named_parameters() if (found := _LAYER.search(f".{name}"))]
    layers = max(depths, default=-1) + 1
    groups: dict[tuple[int, float], dict[str, Any]] = {}
    for name, tensor in model.named_parameters():
        found = _LAYER.search(f".{name}")
        below = layers - int(found[1]) if found else (layers + 1) * ("embeddings" in name)
        decay = parameters.weight_decay if tensor.ndim > 1 else 0.0
        rate = parameters.peak_learning_rate * parameters.layer_decay**below
        group = {"params": [], "weight_decay": decay, "lr": rate}
        groups.setdefault((below, decay), group)["params"].append(tensor)
    return list(groups.values())


def _readable_tokens(model: transformers.PreTrainedModel) -> int | None:
    """Return how many tokens have a position embedding; RoBERTa numbers positions from its padding id + 1."""
    positions = getattr(model.config, "max_position_embeddings", None)
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return positions if positions is None or padding is None else positions - padding - 1


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:_REASON_CHARS] if str(error).strip() else type(error).__name__
