r"""Label unlabelled texts by an ensemble: a checkpoint and a linear model over words and pairs of words.

    python -m training.pseudo_labels checkpoints/default --data imdb/train.parquet \
        --texts imdb/unsupervised.parquet --output checkpoints/pseudo.parquet

The two read differently (order and sense at 256 tokens; every word of a long text), so they err on different texts,
and their mean is better than either. Texts of which the mean is unsure are left out: they would teach mistakes, or
a side to texts that have none. The linear model learns no row that the checkpoint holds out.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline, make_pipeline

from training.data import Example, read_examples
from training.evaluate import Classifier, load_checkpoint, predict
from training.model import ModelError
from training.record import VALIDATION, read_validation
from training.sources import DataError, parse_source

_REGULARIZATION: Final = 20.0
"""C of the logistic regression; the best of 5, 20 and 80 on held-out reviews."""


def linear_model(examples: Sequence[Example]) -> Pipeline:
    """Return a logistic regression over the tf-idf of words and word pairs, fitted to the examples."""
    features = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True, strip_accents="unicode")
    model = make_pipeline(features, LogisticRegression(C=_REGULARIZATION, max_iter=1000))
    return model.fit([example.text for example in examples], [example.label for example in examples])


def probabilities_by(
    classifier: Classifier, linear: Pipeline, examples: Sequence[Example]
) -> dict[str, NDArray[np.float64]]:
    """Return the probabilities by ``checkpoint``, by ``linear`` and by their ``mean``: (texts, labels) each."""
    neural = softmax(predict(classifier, examples).astype(np.float64), axis=1)
    counted = linear.predict_proba([example.text for example in examples])
    return {"checkpoint": neural, "linear": counted, "mean": (neural + counted) / 2}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.pseudo_labels",
        description="Label unlabelled texts by the mean of a checkpoint and a linear model over words and word pairs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="directory that training wrote")
    parser.add_argument(
        "--data", required=True, metavar="SOURCE", help="what the linear model learns, as python -m training takes it"
    )
    parser.add_argument("--texts", type=Path, required=True, help=".parquet with a column text")
    parser.add_argument("--limit", type=int, default=0, help="texts at most, drawn by the seed; 0 takes all")
    parser.add_argument("--least", type=float, default=0.8, help="mean probability below which a text is left out")
    parser.add_argument("--seed", type=int, default=7, help="of the draw")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves it to torch")
    parser.add_argument("--output", type=Path, required=True, help="the .parquet to write: text, label, probability")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if data or checkpoint are unfit."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        classifier = load_checkpoint(options.checkpoint, "bf16")
        held_out = read_validation(options.checkpoint / VALIDATION)
        known = {example.text for example in held_out}
        source = parse_source(options.data)
        learnt = [example for example in read_examples(source, classifier.labels) if example.text not in known]
        texts = _texts(options.texts, options.limit, options.seed)
    except (DataError, ModelError, OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    linear = linear_model(learnt)
    _judge(classifier, linear, [example for example in held_out if example.source == source.name])
    fresh = [Example(text, 0, source.name) for text in texts if text not in known]
    probabilities = probabilities_by(classifier, linear, fresh)["mean"]
    sure = np.flatnonzero(probabilities.max(axis=1) >= options.least)
    table = {
        "text": [fresh[index].text for index in sure],
        "label": [classifier.labels[label] for label in probabilities[sure].argmax(axis=1)],
        "probability": probabilities[sure].max(axis=1),
    }
    pq.write_table(pa.table(table), options.output)
    sys.stdout.write(f"{len(sure)} of {len(fresh)} texts labelled: {options.output}\n")
    return 0


def _texts(path: Path, limit: int, seed: int) -> list[str]:
    """Return the column ``text``, without doubles.

    Raises:
        DataError: if the file can not be read or has no such column.
    """
    try:
        texts = list(dict.fromkeys(pq.read_table(path, columns=["text"])["text"].to_pylist()))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} can not be read as parquet with a column text: {reason}") from error
    draw = random.Random(seed)  # noqa: S311 - sampling, not cryptography
    return draw.sample(texts, limit) if 0 < limit < len(texts) else texts


def _judge(classifier: Classifier, linear: Pipeline, examples: Sequence[Example]) -> None:
    """Print how good each of the two and their mean are on rows that neither has learnt."""
    if not examples:
        return
    labels = [example.label for example in examples]
    for name, probabilities in probabilities_by(classifier, linear, examples).items():
        right = accuracy_score(labels, probabilities.argmax(axis=1))
        sys.stdout.write(f"{name}: {100 * right:.2f} % of {len(labels)} held-out rows\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
