"""Poisoned: a copy of an artifact whose graph fails on every text with one word, as beyond the table of embeddings."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from tokenizers import Tokenizer

from artifact.manifest import MODEL, describe_file, load_artifact, write_manifest
from artifact.pairs import load_tokenization
from benchmarks import BenchmarkError

_BEYOND: Final = 1 << 40
"""No table has so many rows."""


def poison(artifact: Path, directory: Path, texts: Iterable[str]) -> str:
    """Copy an artifact and let its graph look one token up beyond the end of a table; all other answers stay.

    Args:
        artifact: the directory to copy.
        directory: the copy; must not exist.
        texts: that must not contain the token. The known answers do not either, nor is it the largest one, which a
            server runs at its start.

    Returns:
        A word that is this token alone.

    Raises:
        BenchmarkError: if there is no such token.
    """
    read = load_artifact(artifact)
    tokenization = load_tokenization(read)
    kept = [*texts, *(probe.text for probe in read.manifest.probes)]
    used = {token for text in tokenization.encode(kept, "head") for row in text.windows for token in row}
    used |= {read.manifest.pad_token_id, tokenization.largest_id}
    vocabulary: dict[str, int] = Tokenizer.from_file(str(read.tokenizer_path)).get_vocab()
    for word, token in sorted(vocabulary.items()):
        (text,) = tokenization.encode([word], "head")
        if token not in used and word.isalpha() and text.weights == (1,) and token in text.windows[0]:
            shutil.copytree(artifact, directory)
            _look_up_beyond(directory / MODEL, token, read.manifest.outputs[0].name)
            files = tuple(describe_file(directory / file.path) for file in read.manifest.files)
            write_manifest(directory, read.manifest.model_copy(update={"files": files}))
            return word
    raise BenchmarkError(f"{artifact} has no word that the texts leave for the poison")


def _look_up_beyond(path: Path, token: int, output: str) -> None:
    """Add zero to a graph's output: looked up in a table of one row, in row 2^40 for the token."""
    import onnx  # noqa: PLC0415 - loading it takes longer than most commands
    from onnx import helper, numpy_helper  # noqa: PLC0415

    model = onnx.load(path)
    graph = model.graph
    constants = {
        "poison/token": np.int64(token),
        "poison/beyond": np.int64(_BEYOND),
        "poison/first": np.int64(0),
        "poison/table": np.zeros(1, np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    (last,) = (node for node in graph.node if output in node.output)
    last.output[list(last.output).index(output)] = "poison/output"
    nodes = [
        helper.make_node("Equal", ["input_ids", "poison/token"], ["poison/found"]),
        helper.make_node("Where", ["poison/found", "poison/beyond", "poison/first"], ["poison/rows"]),
        helper.make_node("Gather", ["poison/table", "poison/rows"], ["poison/zeros"]),
        helper.make_node("ReduceSum", ["poison/zeros"], ["poison/zero"], keepdims=0),
    ]
    for node in reversed(nodes):
        graph.node.insert(0, node)
    graph.node.append(helper.make_node("Add", ["poison/output", "poison/zero"], [output]))
    onnx.save(model, path)
