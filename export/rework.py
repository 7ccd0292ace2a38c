"""``python -m export.rework ARTIFACT --data FILE``: give an artifact what the export has learnt since it was made.

The rewrites of quantized graphs (``skip_padding``) need no checkpoint: weights and answers stay. It is refused if the
answer to any text alone changes by a single bit, or a text's in batches by more than the export's gate allows.
"""

import argparse
import math
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import onnx
from rich.console import Console
from tokenizers import Tokenizer

from artifact.manifest import CARD, MODEL, Artifact, ArtifactError, Manifest, describe_file, load_artifact
from artifact.tokenization import Tokenization
from export.build import UNCHANGED
from export.errors import ExportError
from export.measure.quality import BATCH, batch_variance, logits_alone
from export.measure.select import Gates
from export.measure.session import Session
from export.progress import Progress
from export.rewrites import apply
from export.rewrites.padding import skip_padding
from export.samples import Ids, read_rows
from export.write.artifact import VERSION_CHARS
from export.write.card import note_rework
from export.write.package import write_atomically

_BATCHED_TEXTS: Final = 200
_ROUNDS: Final = 20


def rework(directory: Path, data: Sequence[Path], progress: Progress) -> Manifest:
    """Rewrite an artifact's graph in place, and return its new manifest.

    Args:
        directory: the artifact.
        data: files of texts to compare answers on, beside the known answers.
        progress: shows the comparison.

    Raises:
        ExportError: if there is nothing to rewrite, or an answer changes.
        ArtifactError: if the directory is not a sound artifact.
    """
    artifact = load_artifact(directory := directory.resolve())
    old = artifact.manifest
    texts = [probe.text for probe in old.probes] + [text for path in data for text, _, _ in read_rows(path, old.labels)]
    rows = _rows(artifact, texts)
    with TemporaryDirectory(prefix="verdict-rework-") as folder:
        path = Path(folder) / MODEL
        check = partial(_largest_change, artifact, rows, path, progress)
        _, (outcome,) = apply(onnx.load(artifact.model_path), (skip_padding,), check, tolerance=UNCHANGED)
        if not outcome.applied:
            raise ExportError(f"{directory}: {outcome.name}: {outcome.note}")
        _check_in_batches(old, rows, path, progress)

        def write(staging: Path) -> Manifest:
            shutil.copytree(directory, staging, dirs_exist_ok=True)
            (staging / MODEL).unlink()  # it may be read-only
            shutil.copyfile(path, staging / MODEL)
            model = describe_file(staging / MODEL)
            files = tuple(model if file.path == MODEL else file for file in old.files)
            new = old.model_copy(update={"version": model.sha256[:VERSION_CHARS], "files": files})
            card = staging / CARD
            card.write_text(note_rework(card.read_text(encoding="utf-8"), old, new, len(texts)), encoding="utf-8")
            return new

        write_atomically(directory, write)
    return load_artifact(directory).manifest


def _rows(artifact: Artifact, texts: Sequence[str]) -> list[Ids]:
    manifest = artifact.manifest
    tokenizer = Tokenizer.from_file(str(artifact.tokenizer_path))
    tokenization = Tokenization(tokenizer, max_length=manifest.max_length, head_tokens=manifest.head_tokens)
    return [text.windows[0] for text in tokenization.encode(texts, manifest.truncation)]


def _largest_change(
    artifact: Artifact, rows: Sequence[Ids], path: Path, progress: Progress, model: onnx.ModelProto
) -> float:
    """Write a graph and return by how much it changes a logit of a text alone."""
    onnx.save(model, path)
    manifest = artifact.manifest
    sessions = [Session(file, manifest.session) for file in (artifact.model_path, path)]
    with progress.step("compare answers", 2 * len(rows)) as tick:
        before, after = (logits_alone(session, rows, manifest.pad_token_id, tick) for session in sessions)
    return float(np.abs(before - after).max())


def _check_in_batches(manifest: Manifest, rows: Sequence[Ids], path: Path, progress: Progress) -> None:
    some = rows[:: max(len(rows) // _BATCHED_TEXTS, 1)][:_BATCHED_TEXTS]
    session, length, allowed = Session(path, manifest.session), manifest.max_length, Gates().batch_variance
    with progress.step("in batches", _ROUNDS * math.ceil(len(some) / BATCH)) as tick:
        change = batch_variance(session, some, manifest.pad_token_id, rounds=_ROUNDS, max_length=length, tick=tick)
    if change > allowed:
        raise ExportError(f"a score changes by {change:.1e} with its batch, allowed {allowed:.0e}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after one line that says why not."""
    parser = argparse.ArgumentParser(prog="python -m export.rework", description=__doc__)
    parser.add_argument("artifact", type=Path, help="directory to rewrite in place")
    parser.add_argument(
        "--data", type=Path, action="append", default=[], metavar="FILE", help="texts to compare answers on as well"
    )
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        manifest = rework(options.artifact, options.data, Progress(console))
    except (ExportError, ArtifactError, OSError) as error:
        console.print(f"[red]rework failed:[/] {error}", highlight=False, soft_wrap=True)
        return 1
    console.print(f"{options.artifact} is version {manifest.version} now; its answers are the same", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
