"""Heads: exported and served over HTTP, each answers as transformers' own pipeline does with the right activation."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.onnxruntime")
from rich.console import Console

from artifact.child import ServedArtifact
from artifact.figures import MAIN
from artifact.manifest import Manifest, load_artifact
from export import pipeline
from export.errors import ExportError
from export.evaluate.__main__ import main as evaluate
from export.measure.select import Gates
from export.pipeline import ExportRequest, Findings
from export.progress import Progress
from export.source.head import HeadChoice
from export.variants import CANDIDATES
from export.write import artifact, package
from tests.support.architectures import build_foreign
from tests.support.checkpoints import words
from training.reading import parse_file

pytestmark = [
    pytest.mark.development,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's tracer and transformers about each other
    pytest.mark.filterwarnings("ignore::UserWarning"),  # as above
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),  # constant shapes; the export compares answers
]

CLOSE: Final = 0.02
NLI: Final = ("contradiction", "entailment", "neutral")
Content = str | tuple[str, str]


@dataclass(frozen=True)
class Case:
    """A head of a checkpoint.

    Attributes:
        labels: of the model.
        settings: of its configuration.
        problem: what it is exported as.
        activation: that transformers' pipeline is asked for.
        pairs: whether it reads pairs.
    """

    labels: tuple[str, ...]
    settings: dict[str, Any]
    problem: str
    activation: str
    pairs: bool = False


CASES: Final = {
    "single-label": Case(("a", "b", "c"), {}, "single_label", "softmax"),
    "multi-label": Case(("a", "b", "c"), {"problem_type": "multi_label_classification"}, "multi_label", "sigmoid"),
    "regression": Case(("stars",), {"problem_type": "regression"}, "regression", "none"),
    "one logit": Case(("relevant",), {}, "regression", "sigmoid"),
    "pairs": Case(NLI, {}, "single_label", "softmax", pairs=True),
    "cross-encoder": Case(
        ("LABEL_0",),
        {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}},
        "regression",
        "none",
        pairs=True,
    ),
}


def make_texts(count: int, *, pairs: bool) -> list[Content]:
    """Return different texts or pairs of the words that tests know."""
    draw = random.Random(4)  # noqa: S311 - test data, not cryptography
    known = words()

    def text() -> str:
        return " ".join(draw.choices(known, k=draw.randint(3, 25)))

    return [(text(), text()) if pairs else text() for _ in range(count)]


def expected_scores(checkpoint: Path, case: Case, texts: Sequence[Content]) -> list[list[float]]:
    """Return transformers' scores of each text in label order."""
    from transformers import pipeline as load  # noqa: PLC0415 - slow to import

    classify = load("text-classification", model=str(checkpoint), device="cpu")
    inputs: list[Any] = [text if isinstance(text, str) else {"text": text[0], "text_pair": text[1]} for text in texts]
    found = [
        classify(each, top_k=None, function_to_apply=case.activation, truncation=True, max_length=64) for each in inputs
    ]
    return [[next(row["score"] for row in rows if row["label"] == label) for label in case.labels] for rows in found]


def write_rows(path: Path, case: Case, texts: Sequence[Content], scores: Sequence[Sequence[float]]) -> Path:
    """Write a file of texts with the true answers of a model that is right on nearly all of them."""
    rows = []
    for number, (text, own) in enumerate(zip(texts, scores, strict=True)):
        label: Any = own[0]
        if case.problem == "multi_label":
            label = [name for name, score in zip(case.labels, own, strict=True) if (score >= 0.5) != (number % 11 == 0)]
        elif case.problem == "single_label":
            label = case.labels[int(np.argmax(own) if number % 11 else number % 3)]
        first, second = (text, None) if isinstance(text, str) else text
        rows.append({"text": first, "label": label} | ({"text_pair": second} if second else {}))
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def export(checkpoint: Path, output: Path, **options: Any) -> Findings:
    """Export with one candidate and gates that a random model can keep."""
    kept: list[Findings] = []
    progress = Progress(Console(quiet=True))

    def finish(findings: Findings) -> None:
        kept.append(findings)
        package.write_atomically(output, lambda staging: artifact.fill(findings, staging, progress.durations_s))

    gates = Gates(accuracy_points=100, flipped=1, largest_change=1, calibration_points=100)
    pipeline.run(ExportRequest(checkpoint, output, table=CANDIDATES[:1], gates=gates, **options), progress, finish)
    return kept[0]


def ask(directory: Path, texts: Sequence[Content]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Serve an artifact and yield each text's answer, alone and in one batch of all."""
    firsts = [text if isinstance(text, str) else text[0] for text in texts]
    seconds = [text[1] for text in texts if not isinstance(text, str)]
    with ServedArtifact(directory) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        reply = client.post("/predict/batch", json={"texts": firsts} | ({"text_pairs": seconds} if seconds else {}))
        assert 200 == reply.status_code, reply.text
        for place, (first, together) in enumerate(zip(firsts, reply.json()["predictions"], strict=True)):
            body = {"text": first} | ({"text_pair": seconds[place]} if seconds else {})
            yield client.post("/predict", json=body).json(), together


def check_answers(case: Case, manifest: Manifest, directory: Path, texts: Sequence[Content], scores: Any) -> float:
    """Compare answers with transformers' scores; return the largest difference."""
    differences = []
    for (alone, together), own in zip(ask(directory, texts), scores, strict=True):
        assert alone == together
        scale = max(1.0, float(np.abs(scores).max())) if case.activation == "none" else 1.0
        answered = [alone["value"]] if case.problem == "regression" else alone["probabilities"]
        differences.append(float(np.abs(np.subtract(answered, own)).max()) / scale)
        if case.problem == "multi_label":
            sure = [
                (score - limit, label)
                for score, limit, label in zip(own, manifest.thresholds, case.labels, strict=True)
            ]
            assert {label for margin, label in sure if margin > CLOSE} <= set(alone["labels"])
            assert not {label for margin, label in sure if margin < -CLOSE} & set(alone["labels"])
        elif case.problem == "single_label" and np.ptp(np.sort(own)[-2:]) > 2 * CLOSE:
            assert case.labels[int(np.argmax(own))] == alone["label"]
    return max(differences)


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        *(("bert", name) for name in CASES),
        ("roberta", "multi-label"),
        ("roberta", "pairs"),
        ("distilbert", "one logit"),
        ("deberta-v2", "cross-encoder"),
        ("modernbert", "pairs"),
        ("qwen2", "multi-label"),
    ],
)
def test_a_head_is_served_as_transformers_runs_it(tmp_path: Path, architecture: str, name: str) -> None:
    """The scores are within 0.02 of transformers' pipeline, and decisions equal where the margin exceeds that."""
    case = CASES[name]
    checkpoint = build_foreign(tmp_path / "checkpoint", architecture, labels=case.labels, **case.settings)
    texts = make_texts(12, pairs=case.pairs)
    scores = expected_scores(checkpoint, case, texts)
    export(checkpoint, tmp_path / "artifact")
    manifest = load_artifact(tmp_path / "artifact").manifest
    assert (case.problem, case.pairs, case.labels) == (manifest.problem, manifest.pairs, manifest.labels)
    assert check_answers(case, manifest, tmp_path / "artifact", texts, scores) <= CLOSE


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("multi-label", {"micro_f1", "macro_f1", "micro_average_precision", "macro_average_precision"}),
        ("cross-encoder", {"pearson", "spearman", "rmse"}),
        ("pairs", {"accuracy", "expected_calibration_error"}),
    ],
)
def test_labelled_rows_measure_and_fit_the_head(tmp_path: Path, name: str, figures: set[str]) -> None:
    """Figures of the problem are in report and card; thresholds are fitted, temperatures stay within their bounds."""
    case = CASES[name]
    checkpoint = build_foreign(tmp_path / "checkpoint", "bert", labels=case.labels, **case.settings)
    texts = make_texts(120, pairs=case.pairs)
    rows = write_rows(tmp_path / "rows.jsonl", case, texts, expected_scores(checkpoint, case, texts))
    findings = export(checkpoint, tmp_path / "artifact", data=(parse_file(str(rows), may_lack_label=True),))
    manifest = load_artifact(tmp_path / "artifact").manifest
    chosen = json.loads((tmp_path / "artifact/report/report.json").read_text())
    assert case.problem == chosen["head"]["problem"]
    measured = next(row["quality"]["figures"] for row in chosen["rows"] if row["name"] == chosen["chosen"])
    assert figures == set(measured)
    assert 0.5 <= manifest.temperature <= 5
    assert findings.head.thresholds == manifest.thresholds
    assert (
        measured[{"multi_label": "micro_f1", "regression": "pearson", "single_label": "accuracy"}[case.problem]] > 0.8
    )
    card = (tmp_path / "artifact/README.md").read_text()
    assert ("of pairs of texts" in card) == case.pairs


@pytest.mark.parametrize("name", ["multi-label", "cross-encoder"])
def test_final_figures_are_those_of_the_head(tmp_path: Path, name: str) -> None:
    """``python -m export.evaluate`` asks the server, with pairs where it reads them, and writes manifest and card."""
    case = CASES[name]
    checkpoint = build_foreign(tmp_path / "checkpoint", "bert", labels=case.labels, **case.settings)
    texts = make_texts(40, pairs=case.pairs)
    rows = write_rows(tmp_path / "rows.jsonl", case, texts, expected_scores(checkpoint, case, texts))
    directory = tmp_path / "artifact"
    export(checkpoint, directory)
    assert 0 == evaluate([str(directory), "--data", f"made:test={rows}", "--fp32", str(checkpoint)])
    (evaluation,) = load_artifact(directory).manifest.evaluations
    assert (40, None) == (evaluation.n, evaluation.accuracy)
    assert evaluation.figures is not None
    assert evaluation.figures[MAIN[load_artifact(directory).manifest.problem]] > 0.8
    (details,) = json.loads((directory / "report" / "evaluation.json").read_text())
    assert details["fp32"]["largest_change"] < CLOSE * (10 if name == "cross-encoder" else 1)
    assert "| made | test | 40 |" in (directory / "README.md").read_text()


def test_the_user_overrides_the_configuration(tmp_path: Path) -> None:
    """A multi-label model that was saved without its problem is served by sigmoid once that is said."""
    checkpoint = build_foreign(tmp_path / "checkpoint", "bert")
    export(checkpoint, tmp_path / "artifact", head=HeadChoice(problem="multi_label"))
    manifest = load_artifact(tmp_path / "artifact").manifest
    assert ("multi_label", (0.5,) * 3, "sigmoid") == (manifest.problem, manifest.thresholds, manifest.head.activation)


@pytest.mark.parametrize(
    ("labels", "settings", "choice", "words"),
    [
        (("a", "b"), {"problem_type": "regression"}, HeadChoice(), "a regression of 2 values"),
        (("a",), {}, HeadChoice(problem="single_label"), "has one label, 'a'"),
        (("a", "b"), {}, HeadChoice(activation="sigmoid"), "--activation is for a model of one logit"),
        (("a",), {"sentence_transformers": {"activation_fn": "torch.nn.Tanh"}}, HeadChoice(), "neither identity nor"),
    ],
)
def test_a_head_that_can_not_be_is_refused(
    tmp_path: Path, labels: tuple[str, ...], settings: dict[str, Any], choice: HeadChoice, words: str
) -> None:
    """In one line with the remedy, before any work."""
    checkpoint = build_foreign(tmp_path / "checkpoint", "bert", labels=labels, **settings)
    with pytest.raises(ExportError, match=words):
        export(checkpoint, tmp_path / "artifact", head=choice)
