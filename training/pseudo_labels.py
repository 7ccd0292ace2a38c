r"""Label unlabelled texts by an ensemble: checkpoints and a linear model over words and pairs of words.

    python -m training.pseudo_labels checkpoints/default --data imdb/train.parquet \
        --texts imdb/unsupervised.parquet --output checkpoints/pseudo.parquet

A checkpoint reads word order, but only 256 tokens; the linear model reads every word of a long text. They err on
different texts, so their mean is better than either. Texts with an uncertain mean are left out: they would teach
mistakes, or a label to texts that have none. The linear model is not trained on held-out rows of the checkpoints.
Without ``--data`` there is no linear model. ``--sentences`` labels each sentence of the texts by itself.
"""

import argparse
import random
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline, make_pipeline

from artifact.scores import softmax
from training.checkpoint.classifier import TorchClassifier, load_checkpoint, predict
from training.checkpoint.record import VALIDATION, read_validation
from training.data.sources import parse_source
from training.data.targets import Example
from training.data.training_data import read_examples
from training.learning.model import ModelError
from training.reading import DataError, parse_texts

_REGULARIZATION: Final = 20.0
"""C of the logistic regression; the best of 5, 20 and 80 on held-out reviews."""
_SENTENCE_END: Final = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')]))\s+(?=[A-Z\"'(])")
_BREAK: Final = re.compile(r"<br\s*/?>")
_SENTENCE_WORDS: Final = range(4, 41)


def linear_model(examples: Sequence[Example]) -> Pipeline:
    """Return a logistic regression over the tf-idf of words and word pairs, fitted to the examples."""
    features = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True, strip_accents="unicode")
    model = make_pipeline(features, LogisticRegression(C=_REGULARIZATION, max_iter=1000))
    return model.fit([example.text for example in examples], [example.label for example in examples])


def probabilities_by(
    classifiers: Mapping[str, TorchClassifier], linear: Pipeline | None, examples: Sequence[Example]
) -> dict[str, NDArray[np.float64]]:
    """Return the probabilities of each checkpoint, of ``linear`` and of their ``mean``: (texts, labels) each."""
    found = {name: softmax(predict(classifier, examples)) for name, classifier in classifiers.items()}
    if linear is not None:
        found["linear"] = linear.predict_proba([example.text for example in examples])
    return found | {"mean": np.mean(list(found.values()), axis=0)}


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a review that have 4 to 40 words."""
    found = [part.strip() for line in _BREAK.split(text) for part in _SENTENCE_END.split(line)]
    return [sentence for sentence in found if len(sentence.split()) in _SENTENCE_WORDS]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.pseudo_labels",
        description="Label unlabelled texts by the mean of checkpoints and a linear model over words and word pairs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="checkpoint", help="directory that training wrote")
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="training rows of the linear model, as for python -m training; without it there is no linear model",
    )
    parser.add_argument(
        "--texts",
        required=True,
        metavar="FILE",
        help="a .parquet, .csv, .tsv or .jsonl file with a column text, or .txt: a text per line; options such as "
        "text=COLUMN follow after commas (docs/data.md)",
    )
    parser.add_argument(
        "--sentences", action="store_true", help="label the sentences of the texts instead of the texts"
    )
    parser.add_argument("--unlike", action="append", default=[], help="such a file: leave out its texts")
    parser.add_argument("--limit", type=int, default=0, help="maximum texts, drawn with the seed; 0: all")
    parser.add_argument("--least", type=float, default=0.8, help="texts with a lower mean probability are left out")
    parser.add_argument("--seed", type=int, default=7, help="seed of the draw")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: torch decides")
    parser.add_argument("--output", type=Path, required=True, help="the .parquet to write: text, label, probability")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if data or checkpoint cannot be used."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        classifiers = {str(path): load_checkpoint(path, "bf16") for path in options.checkpoints}
        labels = _common_labels(classifiers)
        held_out, known = _held_out(options.checkpoints, len(labels))
        linear = None
        if options.data:
            learnt = read_examples(parse_source(options.data), labels)
            linear = linear_model([example for example in learnt if example.text not in known])
        texts = _texts(options)
    except (DataError, ModelError, OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    _judge(classifiers, linear, held_out)
    fresh = [Example(text, 0, "") for text in texts if text not in known]
    probabilities = probabilities_by(classifiers, linear, fresh)["mean"]
    sure = np.flatnonzero(probabilities.max(axis=1) >= options.least)
    table = {
        "text": [fresh[index].text for index in sure],
        "label": [labels[label] for label in probabilities[sure].argmax(axis=1)],
        "probability": probabilities[sure].max(axis=1),
    }
    pq.write_table(pa.table(table), options.output)
    sys.stdout.write(f"{len(sure)} of {len(fresh)} texts labelled: {options.output}\n")
    return 0


def _common_labels(classifiers: Mapping[str, TorchClassifier]) -> list[str]:
    """Return the labels of the checkpoints.

    Raises:
        ModelError: if they differ.
    """
    first, *others = classifiers
    for name in others:
        if classifiers[name].labels != classifiers[first].labels:
            raise ModelError(
                f"{name} has the labels {', '.join(classifiers[name].labels)}, {first} has "
                f"{', '.join(classifiers[first].labels)}; use checkpoints with the same labels in the same order"
            )
    return classifiers[first].labels


def _held_out(checkpoints: Sequence[Path], labels: int) -> tuple[list[Example], set[str]]:
    """Return the rows that all checkpoints hold out, and the texts that at least one of them holds out.

    A checkpoint without such rows, such as one that was restored from an artifact, holds out none.
    """
    kept = (path / VALIDATION for path in checkpoints)
    first, *others = (read_validation(path, labels) if path.exists() else [] for path in kept)
    texts = [{example.text for example in rows} for rows in others]
    return [example for example in first if all(example.text in them for them in texts)], {
        example.text for example in first
    }.union(*texts)


def _texts(options: argparse.Namespace) -> list[str]:
    """Return the texts to label, without duplicates.

    Raises:
        DataError: if a file cannot be read.
    """
    texts = _texts_in(options.texts)
    if options.sentences:
        texts = [sentence for text in texts for sentence in sentences_of(text)]
    unlike = {text for file in options.unlike for text in _texts_in(file)}
    if options.sentences:
        unlike |= {sentence for text in unlike for sentence in sentences_of(text)}
    fresh = [text for text in dict.fromkeys(texts) if text not in unlike]
    draw = random.Random(options.seed)  # noqa: S311 - sampling, not cryptography
    return draw.sample(fresh, options.limit) if 0 < options.limit < len(fresh) else fresh


def _texts_in(specification: str) -> list[str]:
    return [row.text for row in parse_texts(specification).read().rows]


def _judge(classifiers: Mapping[str, TorchClassifier], linear: Pipeline | None, held_out: Sequence[Example]) -> None:
    """Print the accuracy of each member and of their mean, per source, on rows that all hold out."""
    for source in dict.fromkeys(example.source for example in held_out):
        examples = [example for example in held_out if example.source == source]
        labels = [example.label for example in examples]
        for name, probabilities in probabilities_by(classifiers, linear, examples).items():
            right = accuracy_score(labels, probabilities.argmax(axis=1))
            sys.stdout.write(f"{name}: {100 * right:.2f} % of {len(labels)} held-out rows of {source}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
