"""Record: writes a first stage into an artifact: its weights, its entry in the manifest, and its part of the card."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from artifact.manifest import CARD, FIRST_STAGE, SCHEMA_VERSION, Artifact, Manifest, describe_file
from artifact.parts import FirstStageModel, FirstStageThreshold
from export.first_stage.fit import Fitted, SourceFigures
from export.write.package import REPORT, versioned, write_atomically
from export.write.table import Columns, markdown

_BEGIN: Final = "<!-- first stage -->"
_END: Final = "<!-- end of first stage -->"
FIGURES: Final[Columns[SourceFigures]] = (
    ("texts", lambda row: row.source),
    ("n", lambda row: f"{row.n:,}"),
    ("answered by the first stage", lambda row: f"{row.answered:.1%}"),
    ("same answer as the graph", lambda row: f"{row.same:.2%}"),
    ("accuracy without, with", lambda row: _pair(row.accuracy)),
    ("calibration error without, with", lambda row: _pair(row.calibration_error)),
)
_THRESHOLDS: Final[Columns[FirstStageThreshold]] = (
    ("tokens at most", lambda row: f"{row.max_tokens:,}"),
    ("confidence at least", lambda row: f"{row.least_confidence:.3f}" if row.answered else "never"),
    ("texts", lambda row: f"{row.texts:,}"),
    ("answered", lambda row: f"{row.answered / max(row.texts, 1):.1%}"),
)


def record(artifact: Artifact, fitted: Fitted, directory: Path) -> None:
    """Write the artifact with the first stage into a directory, atomically; one that it had is replaced.

    Raises:
        ExportError: if the directory is neither empty nor an artifact, or the new one fails the server's checks.
    """

    def write(staging: Path) -> Manifest:
        shutil.copytree(artifact.directory, staging, dirs_exist_ok=True)
        np.save(staging / FIRST_STAGE, fitted.weights, allow_pickle=False)
        card = staging / CARD
        text = card.read_text(encoding="utf-8") if card.is_file() else f"# {artifact.manifest.name}\n"
        card.write_text(_with_section(text, section(fitted.model, fitted.figures)), encoding="utf-8")
        report = staging / REPORT / "first_stage.json"
        report.parent.mkdir(exist_ok=True)
        report.write_text(json.dumps([asdict(row) for row in fitted.figures], indent=1) + "\n", encoding="utf-8")
        listed = dict.fromkeys([*(file.path for file in artifact.manifest.files), FIRST_STAGE])
        return versioned(
            artifact.manifest.model_copy(
                update={
                    "schema_version": SCHEMA_VERSION,
                    "first_stage": fitted.model,
                    "files": tuple(describe_file(staging / name) for name in listed),
                }
            )
        )

    write_atomically(directory, write)


def section(model: FirstStageModel, figures: Sequence[SourceFigures]) -> list[str]:
    """Return the lines of the card about the first stage."""
    return [
        "## First stage",
        "",
        "With `VERDICT_FIRST_STAGE=on` a linear model over token ids answers the texts of which it is sure, in some 30 "
        f"microseconds, and the graph answers the others. At most {100 * model.largest_loss:g} in 100 texts may get a "
        "wrong answer by it; the graph's own probabilities say how many do, on texts that it did not learn from.",
        "",
        *markdown(_THRESHOLDS, model.thresholds),
        "",
        *markdown(FIGURES, figures),
    ]


def _with_section(card: str, lines: Sequence[str]) -> str:
    before, _, rest = card.partition(_BEGIN)
    after = rest.partition(_END)[2]
    return before.rstrip("\n") + "\n\n" + "\n".join([_BEGIN, *lines, _END]) + (after or "\n")


def _pair(values: tuple[float, ...] | None) -> str:
    return "not measured" if values is None else ", ".join(f"{value:.2%}" for value in values)
