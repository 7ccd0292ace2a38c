"""Measure a checkpoint on labelled text, in torch.

    python -m training.evaluate checkpoints/default --data sst2/validation.parquet,split=validation

The last line that the command prints is JSON: the evaluations as they would stand in ``metrics.json``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from training.checkpoint.classifier import load_checkpoint, predict
from training.checkpoint.metrics import describe, evaluations
from training.data.sources import parse_source
from training.data.training_data import read_examples, spread
from training.learning.model import ModelError
from training.reading import DataError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description="Measure a checkpoint on labelled text, in torch. The last line printed is JSON.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="directory that training wrote")
    parser.add_argument("--data", action="append", required=True, metavar="SOURCE", help="as for python -m training")
    parser.add_argument("--limit", type=int, default=0, help="maximum rows of each source, evenly spread; 0: all")
    parser.add_argument(
        "--precision",
        choices=("bf16", "fp32"),
        default="fp32",
        help="fp32 is the reference; bf16 autocast is 2 to 4 times faster where the processor has it",
    )
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: torch decides")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if data or checkpoint cannot be used."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        sources = [parse_source(specification) for specification in options.data]
        classifier = load_checkpoint(options.checkpoint, options.precision)
        measured = []
        for source in sources:
            examples = read_examples(source, classifier.labels, classifier.problem)
            examples = spread(examples, options.limit) if options.limit else examples
            logits = predict(classifier, examples)
            context = {"measured_on": f"torch {options.precision}"}
            measured += evaluations(logits, examples, source.split, problem=classifier.problem, **context)
            sys.stdout.write(describe(measured[-1]) + "\n")
    except (DataError, ModelError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(json.dumps({"evaluations": measured}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
