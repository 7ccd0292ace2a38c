"""The plan of a run: base model, data, hyper-parameters and output.

The command line makes it. Knows neither torch nor how the plan is carried out.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from artifact.scores import Problem
from training.config import HyperParameters
from training.data.sources import Source, sha256_of

Criterion = Literal["macro_f1", "micro_f1", "accuracy", "pearson", "spearman", "log_loss"]
CRITERIA: Final[dict[Problem, tuple[Criterion, ...]]] = {
    "single_label": ("macro_f1", "accuracy", "log_loss"),
    "multi_label": ("macro_f1", "micro_f1", "log_loss"),
    "regression": ("pearson", "spearman", "log_loss"),
}
"""Held-out figures that can decide which weights are kept, the usual one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a run is asked to do.

    Attributes:
        name: of the model.
        base_model: directory or hub name to load.
        base_model_name: its name in the recipe.
        sources: labelled text to learn from.
        validation: labelled text that is held out entirely.
        labels: names in order; None takes them from the data.
        output: the checkpoint directory.
        parameters: how to train.
        save_steps: optimizer steps between saves; a killed run repeats as many at most.
        evaluations: how often the held-out rows are scored during the run.
        best_by: held-out figure that decides which weights are kept.
        patience: the run stops after so many evaluations without improvement; 0: never.
        threads: threads of torch; 0: torch decides.
        limit: maximum training rows, and maximum held-out rows; 0: all.
        command: the user's command line.
        problem: what the model is to answer.

    Raises:
        ValueError: if an option does not go with the problem.
    """

    name: str
    base_model: str
    base_model_name: str
    sources: Sequence[Source]
    validation: Sequence[Source] = ()
    labels: Sequence[str] | None = None
    output: Path
    parameters: HyperParameters
    save_steps: int = 200
    evaluations: int = 4
    best_by: Criterion = "macro_f1"
    patience: int = 0
    threads: int = 0
    limit: int = 0
    command: str = ""
    problem: Problem = "single_label"

    def __post_init__(self) -> None:
        if self.best_by not in CRITERIA[self.problem]:
            raise ValueError(
                f"--best-by {self.best_by} is no figure of {self.problem}; {', '.join(CRITERIA[self.problem])}"
            )
        if len({bool(source.text_pair) for source in (*self.sources, *self.validation)}) > 1:
            raise ValueError("some sources have pairs and some single texts; give every source text_pair=…, or none")
        if self.problem == "single_label":
            return
        parameters = self.parameters
        if parameters.label_smoothing or parameters.label_weights != "equal":
            raise ValueError("--label-smoothing and --label-weights are for --problem single_label; leave them out")
        if any(source.confidence for source in (*self.sources, *self.validation)):
            raise ValueError("confidence=… is for --problem single_label; leave it out")

    @property
    def pairs(self) -> bool:
        """Whether the model reads pairs."""
        return any(source.text_pair for source in self.sources)

    def fingerprint(self) -> str:
        """Return a hash of everything that decides the result; a run is only continued by an equal plan."""
        sources = [(asdict(source), sha256_of(source)) for source in (*self.sources, *self.validation)]
        deciding = [
            self.base_model_name,
            sources,
            self.labels,
            asdict(self.parameters),
            self.evaluations,
            self.best_by,
            self.patience,
            self.limit,
            *([] if self.problem == "single_label" else [self.problem]),
        ]
        return hashlib.sha256(json.dumps(deciding).encode()).hexdigest()
