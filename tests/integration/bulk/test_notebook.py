"""``from bulk import scorer``: the same scores in a pipeline of one's own."""

import subprocess
import sys
from pathlib import Path

import daft
import pandas as pd

from artifact.child import ROOT
from bulk import scorer
from bulk.scoring import TextScorer
from tests.support.artifacts import copy_tiny, of_pairs
from tests.support.tables import make_scorer, words
from tests.support.tiny import TINY

TEXTS = [*words(40), None, " "]


def expected(name: str) -> list[object]:
    """Return one value of every score."""
    return [getattr(score, name) for score in make_scorer(100_000).score(TEXTS)]


def test_a_daft_expression_is_a_struct_of_the_scores() -> None:
    """It can be kept whole or taken apart."""
    frame = daft.from_pydict({"text": TEXTS})
    score = scorer(TINY, probabilities=True)
    whole = frame.with_column("s", score(daft.col("text"))).to_pydict()
    assert expected("label") == [struct["label"] for struct in whole["s"]]
    assert expected("probabilities")[:40] == [struct["probabilities"] for struct in whole["s"]][:40]
    apart = frame.select("text", score(daft.col("text")).unnest()).to_pydict()
    assert (TEXTS, expected("score"), expected("error")) == (apart["text"], apart["score"], apart["error"])


def test_a_pandas_column_becomes_a_data_frame_with_its_index() -> None:
    """So it can be joined to the frame that the column is from; missing values of any kind are errors."""
    frame = pd.DataFrame({"text": [*TEXTS, float("nan")]}, index=range(100, 100 + len(TEXTS) + 1))
    scored = frame.join(scorer(TINY, prefix="p_")(frame["text"]))
    assert list(frame.index) == list(scored.index)
    assert expected("score")[:40] == scored["p_score"].tolist()[:40]
    assert "the text is null" == scored["p_error"].iloc[-1]


def test_pairs_are_two_columns(tmp_path: Path) -> None:
    """Of a daft frame and of a pandas frame alike."""
    artifact = of_pairs(copy_tiny(tmp_path))
    texts, pairs = words(10), words(20)[10:]
    expected = [score.score for score in TextScorer.load(artifact).score(list(zip(texts, pairs, strict=True)))]
    score = scorer(artifact)
    frame = daft.from_pydict({"a": texts, "b": pairs})
    assert expected == frame.select(score(daft.col("a"), daft.col("b")).unnest()).to_pydict()["score"]
    table = pd.DataFrame({"a": texts, "b": pairs})
    assert expected == score(table["a"], table["b"])["score"].tolist()


def test_importing_the_package_imports_neither_daft_nor_the_runtime() -> None:
    """``--help`` and wrong options answer at once, and daft is told to report nothing before it is imported."""
    code = (
        "import sys, os, bulk; print('daft' in sys.modules, 'onnxruntime' in sys.modules, os.environ['DO_NOT_TRACK'])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "False False true" == found.stdout.strip()
