"""Baseline models: the model that one would serve without Verdict, in PyTorch, as fp32 ONNX and as usual int8.

Time does not depend on weights, so they have random ones in the shape of the default model; a checkpoint is needed to
compare an artifact of another shape. The files are made once, as optimum's guides do it: export, fuse (O2), dynamic
int8 per tensor.

    directory/
        config.json model.safetensors tokenizer…   for transformers
        fp32/model.onnx                            exported by optimum
        int8/model.onnx                            fused and quantized
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any, Final

from artifact.child import ROOT
from export.progress import quiet_libraries

_CACHE: Final = ROOT / "build" / "benchmarks"
_MODEL: Final = "model.onnx"

# models/default: sentence-transformers/all-MiniLM-L6-v2, pruned to 8 of 12 heads and 1,024 of 1,536 channels per layer
SHAPE: Final = {
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "pruned_heads": {layer: [8, 9, 10, 11] for layer in range(6)},
    "intermediate_size": 1024,
}


def make_models(tokenizer: Path, max_length: int, checkpoint: Path | None = None, cache: Path = _CACHE) -> Path:
    """Return the directory of the baseline models, and make it if there is none of this shape.

    Args:
        tokenizer: the artifact's ``tokenizer.json``; its vocabulary decides the size of the embeddings.
        max_length: longer texts are cut to this many tokens.
        checkpoint: of transformers; random weights in the default model's shape if None.
        cache: where the models are kept, by a hash of their inputs.
    """
    directory = cache / f"baseline-{_key(tokenizer, max_length, checkpoint)}"
    if directory.exists():
        return directory
    partial = directory.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with quiet_libraries():
        _write_model(partial, tokenizer, max_length, checkpoint)
        _export(partial)
        _quantize(partial)
    return partial.rename(directory)


def _key(tokenizer: Path, max_length: int, checkpoint: Path | None) -> str:
    digest = hashlib.sha256(f"{max_length} {SHAPE}".encode())
    parts = [tokenizer] if checkpoint is None else [tokenizer, *sorted(checkpoint.glob("*.safetensors"))]
    for path in parts:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


def _write_model(directory: Path, tokenizer_file: Path, max_length: int, checkpoint: Path | None) -> None:
    import transformers  # noqa: PLC0415 - takes seconds that commands without baselines do not need

    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_file), model_max_length=max_length, **_special_tokens(tokenizer_file)
    )
    tokenizer.save_pretrained(directory)
    if checkpoint is not None:
        model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint)
    else:
        config = transformers.BertConfig(vocab_size=len(tokenizer), num_labels=2, **SHAPE)
        model = transformers.BertForSequenceClassification(config)
    model.eval().save_pretrained(directory)


def _special_tokens(tokenizer_file: Path) -> dict[str, str]:
    """Return the roles of BERT's special tokens that this tokenizer has."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - as above

    vocabulary = Tokenizer.from_file(str(tokenizer_file)).get_vocab()
    roles = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return {role: token for role, token in roles.items() if token in vocabulary}


def _export(directory: Path) -> None:
    from optimum.onnxruntime import ORTModelForSequenceClassification  # noqa: PLC0415 - as above

    model = ORTModelForSequenceClassification.from_pretrained(directory, export=True)
    model.save_pretrained(directory / "fp32")
    _copy_tokenizer(directory, directory / "fp32")


def _quantize(directory: Path) -> None:
    import onnx  # noqa: PLC0415 - as above
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - as above
    from optimum.onnxruntime import ORTOptimizer  # noqa: PLC0415 - as above
    from optimum.onnxruntime.configuration import AutoOptimizationConfig  # noqa: PLC0415 - as above

    optimizer: Any = ORTOptimizer.from_pretrained(directory / "fp32")
    optimizer.optimize(AutoOptimizationConfig.O2(), save_dir=directory / "int8", file_suffix="fused")
    fused = directory / "int8" / "model_fused.onnx"
    # without this option, fused graphs fail: their operators have no type inference
    options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    quantize_dynamic(fused, directory / "int8" / _MODEL, weight_type=QuantType.QInt8, extra_options=options)
    fused.unlink()
    _copy_tokenizer(directory, directory / "int8")


def _copy_tokenizer(source: Path, target: Path) -> None:
    for path in source.glob("*token*.json"):
        shutil.copy(path, target)
