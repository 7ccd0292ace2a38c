"""Record: writes the figures of splits into the artifact's manifest, card and report."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from artifact.manifest import CARD, SCHEMA_VERSION, Manifest, describe_file, load_artifact
from artifact.scores import BINS
from export.evaluate.splits import SplitResult
from export.write.card import render_evaluations
from export.write.package import REPORT, write_atomically


def record(directory: Path, results: Sequence[SplitResult]) -> None:
    """Replace the figures of these splits, atomically; figures of other splits stay.

    Raises:
        ArtifactError: if the directory is not a sound artifact.
        ExportError: if the new directory does not pass the server's checks.
    """
    manifest = load_artifact(directory).manifest
    new = {(result.evaluation.dataset, result.evaluation.split): result.evaluation for result in results}
    kept = [row for row in manifest.evaluations if (row.dataset, row.split) not in new]
    updated = manifest.model_copy(update={"schema_version": SCHEMA_VERSION, "evaluations": (*kept, *new.values())})

    def write(staging: Path) -> Manifest:
        shutil.copytree(directory, staging, dirs_exist_ok=True)
        card = staging / CARD
        details = [line for result in results for line in _details(result, manifest.labels)]
        card.write_text(render_evaluations(card.read_text(encoding="utf-8"), updated, details), encoding="utf-8")
        path = staging / REPORT / "evaluation.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([_document(result) for result in results], indent=1) + "\n", encoding="utf-8")
        files = tuple(describe_file(staging / file.path) for file in updated.files)  # some artifact lists its card
        return updated.model_copy(update={"files": files})

    write_atomically(directory, write)


def _document(result: SplitResult) -> dict[str, Any]:
    return {
        **result.evaluation.model_dump(),
        "calibration_bins": BINS,
        **(asdict(result.breakdown) if result.breakdown else {}),
        "fp32": asdict(result.fp32) if result.fp32 else None,
        "cascade": asdict(result.cascade) if result.cascade else None,
        "raters": asdict(result.raters) if result.raters else None,
    }


def _details(result: SplitResult, labels: Sequence[str]) -> list[str]:
    """Return the section of the card about a split, below the table of all splits."""
    row = result.evaluation
    lines = ["", f"### {row.dataset}, {row.split}", ""]
    if result.fp32:
        lines += [
            f"The same model in fp32: {result.fp32.accuracy:.2%}; {result.fp32.flipped:.2%} of decisions differ.",
            "",
        ]
    if result.raters:
        lines += [result.raters.describe(), ""]
    if result.cascade:
        lines += [*result.cascade.markdown(), ""]
    return [*lines, *(result.breakdown.markdown(labels) if result.breakdown else [])]
