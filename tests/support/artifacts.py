"""Copies of the tiny artifact, whole or damaged in one place."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from artifact.digest import manifest_digest
from artifact.manifest import MANIFEST, MODEL, TOKENIZER, describe_file
from tests.support.tiny import TINY


def copy_tiny(directory: Path) -> Path:
    """Copy the tiny artifact and return its new directory."""
    return Path(shutil.copytree(TINY, directory, dirs_exist_ok=True))


def edit_manifest(directory: Path, edit: Callable[[dict[str, Any]], object], *, redigest: bool = True) -> Path:
    """Change the manifest in place, as JSON, and return the directory; its digest is right afterwards, or as before."""
    path = directory / MANIFEST
    document = json.loads(path.read_text())
    edit(document)
    if redigest:
        document["digest"] = manifest_digest(document)
    path.write_text(json.dumps(document))
    return directory


def replace_file(directory: Path, name: str, content: bytes) -> Path:
    """Replace a file and its manifest entry, so its checksum is right and only its content is wrong."""
    (directory / name).write_bytes(content)
    described = describe_file(directory / name).model_dump()

    def relist(document: dict[str, Any]) -> None:
        document["files"] = [described if file["path"] == name else file for file in document["files"]]

    return edit_manifest(directory, relist)


def bare_tokenizer(directory: Path) -> Path:
    """Let the tokenizer add no special token and drop accents, so that a lone accent is a text without a token."""
    tokenizer = json.loads((directory / TOKENIZER).read_text())
    tokenizer["post_processor"] = None
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "StripAccents"}, {"type": "Lowercase"}]}
    replace_file(directory, TOKENIZER, json.dumps(tokenizer).encode())
    known = [1 / (1 + math.exp(8)), 1 / (1 + math.exp(-8))]

    def relearn(document: dict[str, Any]) -> None:
        document["probes"][0] |= {"probabilities": known, "reference": known}

    return edit_manifest(directory, relearn)


def multi_label(directory: Path, thresholds: tuple[float, float] = (0.6, 0.5)) -> Path:
    """Let the model choose any number of its labels, each from its threshold."""
    known = [0.5, 1 / (1 + math.exp(-8 / 3))]

    def change(document: dict[str, Any]) -> None:
        document |= {"problem": "multi_label", "thresholds": thresholds, "activation": None}
        document["probes"] = [{"text": "good", "probabilities": known, "reference": known}]

    return edit_manifest(directory, change)


def of_pairs(directory: Path) -> Path:
    """Let the model read pairs: the logits of "good" and "good" are the mean of five tokens' scores."""
    known = [1 / (1 + math.exp(16 / 5)), 1 / (1 + math.exp(-16 / 5))]

    def change(document: dict[str, Any]) -> None:
        document |= {"pairs": True, "truncation": "head"}
        document["probes"] = [{"text": "good", "text_pair": "good", "probabilities": known, "reference": known}]

    return edit_manifest(directory, change)


def regression(directory: Path) -> Path:
    """Let the model answer a value: the logit of "positive" minus that of "negative". It needs onnx."""
    import onnx  # noqa: PLC0415 - the module is imported where onnx is not installed
    from onnx import numpy_helper  # noqa: PLC0415 - as above

    model = onnx.load_from_string((directory / MODEL).read_bytes())
    (table,) = (each for each in model.graph.initializer if each.name == "scores")
    scores = numpy_helper.to_array(table)
    table.CopyFrom(numpy_helper.from_array(scores[:, 1:] - scores[:, :1], "scores"))
    replace_file(directory, MODEL, model.SerializeToString())

    def change(document: dict[str, Any]) -> None:
        document |= {"problem": "regression", "labels": ["stars"], "activation": "identity", "temperature": 1.0}
        document["probes"] = [{"text": "good", "probabilities": [8 / 3], "reference": [8 / 3]}]

    return edit_manifest(directory, change)
