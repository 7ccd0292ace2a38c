"""How good a checkpoint is on labelled text, in torch.

    python -m training.evaluate checkpoints/default --data sst2/validation.parquet,split=validation

Owns reading a checkpoint for prediction and the entries of ``metrics.json``. Knows nothing of training. The last
line that the command prints is JSON, its evaluations as they would stand in ``metrics.json``.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from artifact.manifest import Truncation
from artifact.tokenization import Tokenization
from training.checkpoint.record import read_recipe
from training.data.sources import parse_source
from training.data.training_data import Example, read_examples, spread
from training.figures import figures
from training.learning.model import ModelError, load_tokenizer
from training.learning.tokens import PaddedBatch, tokenized
from training.reading import DataError

_BATCH_TOKENS: Final = 8192  # padded tokens per batch; more gains nothing on a CPU


@dataclass(frozen=True, slots=True)
class Classifier:
    """What predicts: a model and how its texts are cut.

    Attributes:
        model: on the device that computes.
        tokenization: the server's own.
        truncation: ``window`` reads the head alone here.
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


def load_checkpoint(directory: Path, precision: str = "bf16") -> Classifier:
    """Load a checkpoint that training wrote.

    Raises:
        ModelError: if it is missing or unfinished.
    """
    try:
        recipe = read_recipe(directory)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(directory)
    except (OSError, ValueError) as error:
        raise ModelError(f"{directory} is not a finished checkpoint: {error}") from error
    tokenizer = load_tokenizer(str(directory)).backend_tokenizer
    tokenization = Tokenization(tokenizer, max_length=recipe["max_length"], head_tokens=recipe["head_tokens"])
    if torch.cuda.is_available():
        model = model.cuda()
    return Classifier(model, tokenization, recipe["truncation"], precision)


def predict(
    classifier: Classifier, examples: Sequence[Example], on_batch: Callable[[int], object] = lambda texts: None
) -> NDArray[np.float32]:
    """Return the logits of the examples: (texts, labels) float32, in their order.

    Args:
        classifier: what predicts.
        examples: texts; their labels are not looked at.
        on_batch: called with the number of texts behind each batch.
    """
    classifier.model.eval()
    logits = np.empty((len(examples), classifier.model.config.num_labels), np.float32)
    for chosen, batch in batches(classifier, examples):
        del batch["labels"]
        with torch.inference_mode():
            logits[chosen] = forward(classifier, batch).cpu().numpy()
        on_batch(len(chosen))
    return logits


def batches(classifier: Classifier, examples: Sequence[Example]) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Yield indices of examples of about equal length with their padded batch, the longest first.

    A batch has ``input_ids`` and ``attention_mask`` (batch, tokens) and ``labels`` (batch), all int64 and on the
    model's device.
    """
    rows = tokenized(examples, classifier.tokenization, classifier.truncation)
    collate = PaddedBatch(classifier.model.config.pad_token_id)
    lengths = [len(ids) for ids in rows["input_ids"]]
    order = sorted(range(len(rows)), key=lengths.__getitem__, reverse=True)
    while order:
        texts = max(1, _BATCH_TOKENS // lengths[order[0]])
        chosen, order = order[:texts], order[texts:]
        batch = collate([rows[index] for index in chosen])
        yield chosen, {name: tensor.to(classifier.model.device) for name, tensor in batch.items()}


def forward(classifier: Classifier, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the logits, (batch, labels) float32 on the model's device, computed in the classifier's precision."""
    lower = classifier.precision == "bf16"
    with torch.autocast(classifier.model.device.type, torch.bfloat16, enabled=lower):
        logits: torch.Tensor = classifier.model(**inputs).logits
    return logits.float()


def evaluations(
    logits: NDArray[np.float32], examples: Sequence[Example], split: str | None = None, **context: str
) -> list[dict[str, Any]]:
    """Return one entry for ``metrics.json`` per source of the examples.

    Args:
        logits: (texts, labels), in the order of the examples.
        examples: texts with their labels.
        split: what part of their source the examples are.
        **context: more to write into each entry.
    """
    result = []
    for source in dict.fromkeys(example.source for example in examples):
        chosen = [index for index, example in enumerate(examples) if example.source == source]
        labels = np.array([examples[index].label for index in chosen])
        result.append({"dataset": source, "split": split, **figures(logits[chosen], labels), **context})
    return result


def describe(entry: dict[str, Any]) -> str:
    """Return an evaluation as a line for people."""
    return (
        f"{entry['dataset']} ({entry['split']}, {entry['n']} texts): accuracy {100 * entry['accuracy']:.2f} %, "
        f"macro F1 {100 * entry['macro_f1']:.2f} %, "
        f"calibration error {100 * entry['expected_calibration_error']:.2f} %"
    )


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document that people and programs read."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description="Measure a checkpoint on labelled text, in torch. The last line printed is JSON.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="directory that training wrote")
    parser.add_argument(
        "--data", action="append", required=True, metavar="SOURCE", help="as python -m training takes it"
    )
    parser.add_argument("--limit", type=int, default=0, help="rows of each source at most, spread evenly; 0: all")
    parser.add_argument(
        "--precision",
        choices=("bf16", "fp32"),
        default="fp32",
        help="fp32 is the reference; bf16 autocast is 2 to 4 times faster where the processor has it",
    )
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves it to torch")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if data or checkpoint are unfit."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        sources = [parse_source(specification) for specification in options.data]
        classifier = load_checkpoint(options.checkpoint, options.precision)
        measured = []
        for source in sources:
            examples = read_examples(source, classifier.labels)
            examples = spread(examples, options.limit) if options.limit else examples
            logits = predict(classifier, examples)
            context = {"measured_on": f"torch {options.precision}"}
            measured += evaluations(logits, examples, source.split, **context)
            sys.stdout.write(describe(measured[-1]) + "\n")
    except (DataError, ModelError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(json.dumps({"evaluations": measured}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
