"""A checkpoint read for prediction, in torch.

Owns batches and logits of finished checkpoints. Knows neither figures nor the training loop.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from artifact.manifest import Truncation
from artifact.pairs import PairTokenization
from artifact.scores import Problem
from artifact.tokenization import Tokenization
from training.checkpoint.record import read_recipe
from training.data.targets import Example
from training.learning.model import PROBLEM_TYPES, ModelError, has_token_types, load_tokenizer
from training.learning.tokens import PaddedBatch, tokenized

_BATCH_TOKENS: Final = 8192
"""Padded tokens per batch; larger batches are not faster on a CPU."""


@dataclass(frozen=True, slots=True)
class TorchClassifier:
    """A model in torch, and how its texts are cut.

    Attributes:
        model: on the device that computes.
        tokenization: the same that the server uses.
        truncation: ``window`` reads only the head here.
        precision: ``bf16`` autocast or ``fp32``.
    """

    model: transformers.PreTrainedModel
    tokenization: Tokenization
    truncation: Truncation
    precision: str = "bf16"

    @property
    def labels(self) -> list[str]:
        """Label names in order."""
        return [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]

    @property
    def problem(self) -> Problem:
        """What the model answers."""
        named = {name: problem for problem, name in PROBLEM_TYPES.items()}
        return named.get(str(self.model.config.problem_type), "single_label")


def load_checkpoint(directory: Path, precision: str = "bf16") -> TorchClassifier:
    """Load a checkpoint that training wrote.

    Raises:
        ModelError: if it is missing or unfinished.
    """
    try:
        recipe = read_recipe(directory)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(directory)
    except Exception as error:  # damaged weights raise a class of safetensors
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ModelError(f"{directory} is not a finished checkpoint: {reason}") from error
    tokenizer = load_tokenizer(str(directory)).backend_tokenizer
    tokenization: Tokenization
    if recipe.get("pairs"):
        tokenization = PairTokenization(tokenizer, max_length=recipe["max_length"])
    else:
        tokenization = Tokenization(tokenizer, max_length=recipe["max_length"], head_tokens=recipe["head_tokens"])
    if torch.cuda.is_available():
        model = model.cuda()
    return TorchClassifier(model, tokenization, recipe["truncation"], precision)


def predict(
    classifier: TorchClassifier, examples: Sequence[Example], on_batch: Callable[[int], object] = lambda texts: None
) -> NDArray[np.float32]:
    """Return the logits of the examples: (texts, labels) float32, in their order.

    Args:
        classifier: the model.
        examples: texts; their labels are not used.
        on_batch: called after each batch with its number of texts.
    """
    classifier.model.eval()
    logits = np.empty((len(examples), classifier.model.config.num_labels), np.float32)
    for chosen, batch in batches(classifier, examples):
        del batch["labels"]
        with torch.inference_mode():
            logits[chosen] = forward(classifier, batch).cpu().numpy()
        on_batch(len(chosen))
    return logits


def batches(
    classifier: TorchClassifier, examples: Sequence[Example]
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Yield the indices of examples of similar length with their padded batch, the longest first.

    A batch has ``input_ids`` and ``attention_mask`` (batch, tokens) and ``labels`` (batch), all int64 and on the
    model's device.
    """
    rows = tokenized(examples, classifier.tokenization, classifier.truncation, len(classifier.labels))
    model = classifier.model
    collate = PaddedBatch(model.config.pad_token_id, token_types=has_token_types(model))
    lengths = [len(ids) for ids in rows["input_ids"]]
    order = sorted(range(len(rows)), key=lengths.__getitem__, reverse=True)
    while order:
        texts = max(1, _BATCH_TOKENS // lengths[order[0]])
        chosen, order = order[:texts], order[texts:]
        batch = collate([rows[index] for index in chosen])
        yield chosen, {name: tensor.to(classifier.model.device) for name, tensor in batch.items()}


def forward(classifier: TorchClassifier, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the logits, (batch, labels) float32 on the model's device, computed in the classifier's precision."""
    lower = classifier.precision == "bf16"
    with torch.autocast(classifier.model.device.type, torch.bfloat16, enabled=lower):
        logits: torch.Tensor = classifier.model(**inputs).logits
    return logits.float()
