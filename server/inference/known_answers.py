"""Known answers: texts whose scores export recorded, computed again on this CPU.

A CPU path that computes int8 wrong gives wrong answers at full speed: without VNNI, 16-bit partial sums can saturate.
A server on such a CPU must never become ready.
"""

import numpy as np

from artifact.manifest import ArtifactError, Manifest
from artifact.runtime import Batch, Engine
from artifact.tokenization import Tokenization


def check_known_answers(manifest: Manifest, tokenization: Tokenization, engine: Engine) -> None:
    """Classify each probe of the manifest alone and compare its scores with the recorded ones.

    Raises:
        ArtifactError: if the logits have another shape than the manifest's labels, or if a score differs from
            the recorded one by more than the manifest's tolerance.
    """
    for probe in manifest.probes:
        (text,) = tokenization.encode(
            [probe.content], "head" if manifest.truncation == "window" else manifest.truncation
        )
        logits = engine.run(Batch.of(text.windows, manifest.pad_token_id))
        if logits.shape != (1, len(manifest.labels)):
            raise ArtifactError(
                f"the model answers {probe.text[:40]!r} with logits of the shape {logits.shape}, its manifest has "
                f"{len(manifest.labels)} labels; export it again"
            )
        scores = manifest.head.scores(logits[0].tolist())
        error = float(np.abs(np.subtract(scores, probe.probabilities)).max())  # NaN where a logit is infinite
        if not error <= manifest.probe_tolerance:  # written so that NaN fails
            raise ArtifactError(
                f"this CPU computes the known answer for {probe.text[:40]!r} wrong by {error:.3f}, the tolerance is "
                f"{manifest.probe_tolerance}; serve an artifact exported for this CPU (python -m export --target)"
            )
