"""fp32: the same artifact with the fp32 graph, served the same way, which shows the cost of int8 on whole splits."""

import shutil
from pathlib import Path

import onnx

from artifact.manifest import MODEL, TOKENIZER, Manifest, Quantization, SessionOptions, describe_file, load_artifact
from export.checkpoint import read_checkpoint
from export.errors import ExportError
from export.graph.convert import convert
from export.graph.graph import Graph
from export.rewrites.embeddings import fix_token_types
from export.source.head import HeadChoice
from export.write.package import write_atomically


def write_fp32(artifact: Path, checkpoint: Path, directory: Path) -> None:
    """Write an artifact with the checkpoint's fp32 graph and everything else as in ``artifact``.

    Its known answers are those of the fp32 model at export, so the graph of another checkpoint does not become ready.

    Raises:
        ExportError: if the checkpoint cannot be used, or the artifact was not exported from it.
    """
    manifest = load_artifact(artifact).manifest
    head = HeadChoice(
        manifest.problem, manifest.activation if manifest.problem == "regression" else None, manifest.pairs
    )
    found = read_checkpoint(checkpoint, choice=head)
    if (found.labels, found.max_length) != (manifest.labels, manifest.max_length):
        raise ExportError(
            f"{checkpoint} has the labels {list(found.labels)} and reads {found.max_length} tokens, {artifact} has "
            f"{list(manifest.labels)} and {manifest.max_length}: it was not exported from there"
        )

    def write(staging: Path) -> Manifest:
        graph = Graph(onnx.load(convert(found.model, staging / "converted")))
        if not manifest.pairs:
            fix_token_types(graph)
        onnx.save(graph.finish(), staging / MODEL)
        shutil.rmtree(staging / "converted")
        shutil.copyfile(artifact / TOKENIZER, staging / TOKENIZER)
        return manifest.model_copy(
            update={
                "quantization": Quantization(scheme="fp32", weights="fp32", activations="fp32"),
                "session": SessionOptions(),
                "files": tuple(describe_file(staging / name) for name in (MODEL, TOKENIZER)),
                "probes": tuple(p.model_copy(update={"probabilities": p.reference}) for p in manifest.probes),
                "evaluations": (),
                "first_stage": None,
            }
        )

    write_atomically(directory, write)
