"""Write the report of a finished checkpoint again, from its held-out rows.

python -m training.report checkpoints/default
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from training.checkpoint.classifier import load_checkpoint, predict
from training.checkpoint.record import METRICS, RECIPE, VALIDATION, read_validation
from training.learning.model import ModelError
from training.reading import DataError
from training.report.page import write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if the checkpoint cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m training.report", description="Write the report/ of a finished checkpoint again."
    )
    parser.add_argument("checkpoint", type=Path, help="directory that training wrote")
    checkpoint = parser.parse_args(arguments).checkpoint
    try:
        classifier = load_checkpoint(checkpoint)
        recipe, metrics = (json.loads((checkpoint / name).read_bytes()) for name in (RECIPE, METRICS))
        count, pairs = len(classifier.labels), bool(recipe.get("pairs"))
        rows = read_validation(checkpoint / VALIDATION, count, classifier.problem, pairs=pairs)
    except (DataError, ModelError, OSError, ValueError) as error:
        sys.stderr.write(f"error: {checkpoint} is not a finished checkpoint: {error}\n")
        return 1
    logits = predict(classifier, rows)
    write_report(checkpoint / "report", classifier, rows, logits, metrics=metrics, recipe=recipe)
    sys.stdout.write(f"{checkpoint / 'report' / 'index.html'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
