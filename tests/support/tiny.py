"""A tiny artifact whose answers can be computed by hand; ``python -m tests.support.tiny`` rewrites it.

Its logits are the mean of its tokens' scores. These are small integers, so sums are exact in any order and at any
padding. It is stored in ``tests/data/tiny`` because the environment of the server cannot build it.
"""

import string
from pathlib import Path
from typing import Final

from artifact.manifest import (
    CARD,
    MODEL,
    TOKENIZER,
    Manifest,
    Probe,
    Quantization,
    Tensor,
    describe_file,
    write_manifest,
)

TINY: Final = Path(__file__).parent.parent / "data" / "tiny"
SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS: Final = (*SPECIAL, "good", "bad", *string.ascii_lowercase)
MAX_LENGTH: Final = 16
HEAD_TOKENS: Final = 3
_LABELS: Final = ("negative", "positive")
_KNOWN: Final = (0.064969, 0.935031)


def scores(word: str) -> tuple[int, int]:
    """Return the score of one word for the logits (negative, positive)."""
    if word in SPECIAL:
        return 0, 0
    if word in {"good", "bad"}:
        return (0, 8) if word == "good" else (8, 0)
    place = string.ascii_lowercase.index(word)
    return place % 5, place % 7


def logits(words: list[str]) -> tuple[float, float]:
    """Return the logits of a text that fits: the mean score of its words and its two special tokens."""
    count = len(words) + 2
    return sum(scores(word)[0] for word in words) / count, sum(scores(word)[1] for word in words) / count


def build(directory: Path) -> None:
    """Write the artifact; needs onnx and tokenizers."""
    directory.mkdir(parents=True, exist_ok=True)
    _build_graph(directory / MODEL)
    _build_tokenizer(directory / TOKENIZER)
    (directory / CARD).write_text("# Tiny\n\nA model for tests; its logits are the mean of its tokens' scores.\n")
    manifest = Manifest(
        name="tiny",
        version="1.0.0",
        labels=_LABELS,
        max_length=MAX_LENGTH,
        truncation="head_tail",
        head_tokens=HEAD_TOKENS,
        pad_token_id=0,
        temperature=1.0,
        inputs=(
            Tensor(name="input_ids", dtype="int64", axes=("batch", "tokens")),
            Tensor(name="attention_mask", dtype="int64", axes=("batch", "tokens")),
        ),
        outputs=(Tensor(name="logits", dtype="float32", axes=("batch", "labels")),),
        opset=17,
        quantization=Quantization(scheme="fp32", weights="fp32", activations="fp32"),
        files=tuple(describe_file(directory / name) for name in (MODEL, TOKENIZER, CARD)),
        probes=(Probe(text="good", probabilities=_KNOWN, reference=_KNOWN, labels=_LABELS),),
        probe_tolerance=1e-4,
        source_commit="none",
    )
    write_manifest(directory, manifest)


def _build_graph(path: Path) -> None:
    import numpy as np  # noqa: PLC0415 - the module is imported where onnx is not installed
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    table = np.array([scores(word) for word in WORDS], dtype=np.float32)
    nodes = [
        helper.make_node("Gather", ["scores", "input_ids"], ["token_scores"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last_axis"], ["mask_column"]),
        helper.make_node("Mul", ["token_scores", "mask_column"], ["kept_scores"]),
        helper.make_node("ReduceSum", ["kept_scores", "token_axis"], ["sums"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "token_axis"], ["counts"], keepdims=1),
        helper.make_node("Div", ["sums", "counts"], ["logits"]),
    ]
    integers = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        integers,
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "labels"])],
        [
            numpy_helper.from_array(table, "scores"),
            numpy_helper.from_array(np.array([2], dtype=np.int64), "last_axis"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "token_axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="verdict")
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _build_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: PLC0415

    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", WORDS.index("[CLS]")), ("[SEP]", WORDS.index("[SEP]"))],
    )
    tokenizer.save(str(path))


if __name__ == "__main__":
    build(TINY)
