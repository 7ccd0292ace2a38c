"""What one run is asked to do: the base, the data, the hyper-parameters and where to write.

Made by the command line and handed down whole; knows neither torch nor how anything is done.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from training.config import HyperParameters
from training.data.sources import Source, sha256_of

Criterion = Literal["macro_f1", "accuracy", "log_loss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run.

    Attributes:
        name: of the model.
        base_model: directory or hub name to load.
        base_model_name: what the recipe calls it.
        sources: labelled text to learn from.
        validation: labelled text that is held out whole.
        labels: names in order; None takes them from the data.
        output: the checkpoint directory.
        parameters: how to train.
        save_steps: optimizer steps that a killed run loses at most.
        evaluations: how often the held-out rows are scored on the way.
        best_by: figure of the held-out rows by which the weights to keep are chosen.
        patience: evaluations without a better one after which the run stops; 0 never stops early.
        threads: of torch; 0 leaves it to torch.
        limit: training rows, and held-out rows, at most; 0 takes all.
        command: as the user gave it.
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

    def fingerprint(self) -> str:
        """Return a hash of all that decides the result: a killed run may only go on with the same."""
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
        ]
        return hashlib.sha256(json.dumps(deciding).encode()).hexdigest()
