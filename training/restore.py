"""Restore a checkpoint from an int8 artifact, so that training can go on from a model whose checkpoint is lost.

    python -m training.restore models/default --output checkpoints/restored

Weights are the artifact's steps times their scales, and divided outlier channels are multiplied back. What is lost is
the rounding of the weights and the held-out rows. Reads BERT graphs with static int8 products, as ``export`` writes.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
import transformers
from numpy.typing import NDArray
from onnx import numpy_helper

from artifact.manifest import ArtifactError, Manifest, load_artifact
from training.checkpoint.metrics import write_json
from training.checkpoint.output import OutputError, refuse_finished
from training.checkpoint.record import RECIPE
from training.learning.model import ModelError

_PRODUCT: Final = re.compile(
    r"layer\.(\d+)/(?:attention/self/.*/(query|key|value)_product|(attention/output|intermediate|output)/dense)/"
)
_BRANCH: Final = re.compile(r"^(?:then|else)/")
_BIAS: Final = 6
"""Place of the bias among the inputs of MatMulIntegerToFloat."""
_HEAD: Final = "/attention/self/"

Arrays = Mapping[str, NDArray[Any]]


def restore(directory: Path, output: Path) -> None:
    """Write a checkpoint with the weights, the tokenizer and the settings of an artifact.

    Args:
        directory: of the artifact.
        output: must not hold a checkpoint.

    Raises:
        ArtifactError: if the artifact is not sound.
        ModelError: if its graph is not an int8 BERT of ours.
        OutputError: if the output exists.
    """
    refuse_finished(output)
    manifest = load_artifact(directory).manifest
    graph = onnx.load(str(directory / "model.onnx")).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = list(_nodes(graph))
    try:
        heads = {int(part.i) for node in nodes for part in node.attribute if part.name == "num_heads"}.pop()
        weights = _weights(nodes, constants, heads)
        model = transformers.BertForSequenceClassification(_config(weights, nodes, heads, manifest))
        model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()}, strict=True)
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"{directory} is no BERT with static int8 products: {error}") from error
    model.save_pretrained(output)
    shutil.copyfile(directory / "tokenizer.json", output / "tokenizer.json")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(directory / "tokenizer.json"),
        model_max_length=manifest.max_length,
        **_special_tokens(output / "tokenizer.json", manifest.pad_token_id),
    )
    tokenizer.save_pretrained(output)
    recipe = {
        "name": manifest.name,
        "labels": list(manifest.labels),
        "max_length": manifest.max_length,
        "truncation": manifest.truncation,
        "head_tokens": manifest.head_tokens,
        "base_model": f"restored from artifact {manifest.version}",
    }
    write_json(output / RECIPE, recipe)  # last: a checkpoint without it counts as unfinished


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of the branches in it."""
    for node in graph.node:
        yield node
        for part in node.attribute:
            if part.type == onnx.AttributeProto.GRAPH:
                yield from _nodes(part.g)


def _weights(nodes: Sequence[onnx.NodeProto], constants: Arrays, heads: int) -> dict[str, NDArray[Any]]:
    """Return the state of a BERT classifier, float32."""
    table = next(name.removesuffix("/int8") for name in constants if name.endswith("/int8"))
    positions = next(name for name in constants if name.startswith("bert.embeddings.position_embeddings.weight"))
    words = constants[f"{table}/int8"].astype(np.float32) * constants[f"{table}/scales"]
    named = {name: value for name, value in constants.items() if re.match(r"(bert|classifier)[.][\w.]+$", name)}
    named |= {
        "bert.embeddings.word_embeddings.weight": words,
        "bert.embeddings.position_embeddings.weight": constants[positions],
        "bert.embeddings.token_type_embeddings.weight": np.zeros((1, words.shape[1]), np.float32),  # part of positions
    }
    named = {name: value for name, value in named.items() if "/" not in name}
    producers = {name: node for node in nodes for name in node.output}
    for node in nodes:
        found = _PRODUCT.search(node.input[1]) if node.op_type == "MatMulIntegerToFloat" else None
        if found is None:
            continue
        layer, projection, dense = found.groups()
        weights, bias = _product(node, producers, constants)
        name = f"bert.encoder.layer.{layer}." + (
            f"attention.self.{projection}" if projection else f"{dense.replace('/', '.')}.dense"
        )
        if projection in ("query", "key"):
            size = _projected(constants, layer) // heads
            weights = _without_mask(weights, heads, size)
            bias = _without_mask(bias, heads, size)
        named |= {f"{name}.weight": np.ascontiguousarray(weights.T), f"{name}.bias": bias}
    return named


def _product(
    node: onnx.NodeProto, producers: Mapping[str, onnx.NodeProto], constants: Arrays
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the float weights (rows, columns) and the bias (columns,) of an int8 product."""
    weights = constants[node.input[1]].astype(np.float32) * constants[node.input[3]]
    division = producers.get(producers[node.input[0]].input[0])
    if division is not None and division.op_type == "Mul" and division.input[1].endswith("/inverse"):
        weights *= constants[division.input[1]][:, None]
    return weights, constants[node.input[_BIAS]]


def _projected(constants: Arrays, layer: str) -> int:
    """Return the width of a layer's values: the head's channels times the heads."""
    widths = (
        int(value.shape[1])
        for name, value in constants.items()
        if f"layer.{layer}{_HEAD}" in name and name.endswith("value_product/weights")
    )
    return next(widths)


def _without_mask(values: NDArray[np.float32], heads: int, size: int) -> NDArray[np.float32]:
    """Remove the channel that ``export`` may add to each head for the mask of padding: the last one."""
    split = values.reshape(*values.shape[:-1], heads, -1)[..., :size]
    return np.ascontiguousarray(split.reshape(*values.shape[:-1], heads * size))


def _config(
    weights: Arrays, nodes: Sequence[onnx.NodeProto], heads: int, manifest: Manifest
) -> transformers.BertConfig:
    hidden = weights["bert.pooler.dense.bias"].shape[0]
    layers = sum(name.endswith("self.value.bias") for name in weights)
    size = weights["bert.encoder.layer.0.attention.self.value.bias"].shape[0] // heads
    pruned = list(range(heads, hidden // size))
    names = dict(enumerate(manifest.labels))
    approximate = any(part.s == b"tanh" for node in nodes for part in node.attribute if part.name == "approximate")
    return transformers.BertConfig(
        vocab_size=weights["bert.embeddings.word_embeddings.weight"].shape[0],
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // size,
        intermediate_size=weights["bert.encoder.layer.0.intermediate.dense.bias"].shape[0],
        hidden_act="gelu_pytorch_tanh" if approximate or _has(nodes, "FastGelu") else "gelu",
        max_position_embeddings=weights["bert.embeddings.position_embeddings.weight"].shape[0],
        type_vocab_size=1,
        pad_token_id=manifest.pad_token_id,
        id2label=names,
        label2id={name: index for index, name in names.items()},
        pruned_heads=dict.fromkeys(range(layers), pruned) if pruned else {},
    )


def _has(nodes: Sequence[onnx.NodeProto], kind: str) -> bool:
    return any(node.op_type == kind for node in nodes)


def _special_tokens(tokenizer: Path, padding: int) -> dict[str, str]:
    """Return the arguments that name a tokenizer's special tokens; ``tokenizer.json`` does not say which is which."""
    added = json.loads(tokenizer.read_text(encoding="utf-8"))["added_tokens"]
    known = {"[UNK]": "unk_token", "[CLS]": "cls_token", "[SEP]": "sep_token", "[MASK]": "mask_token"}
    named = {known[token["content"]]: token["content"] for token in added if token["content"] in known}
    return named | {"pad_token": next(token["content"] for token in added if token["id"] == padding)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if the artifact cannot be restored."""
    parser = argparse.ArgumentParser(
        prog="python -m training.restore", description="Restore a checkpoint from an int8 artifact."
    )
    parser.add_argument("artifact", type=Path, help="artifact directory")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint directory; must not exist")
    options = parser.parse_args(arguments)
    try:
        restore(options.artifact, options.output)
    except (ArtifactError, ModelError, OutputError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
