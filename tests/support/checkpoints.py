"""A tiny random checkpoint with all files that ``python -m training`` writes.

For tests of every stage that reads a checkpoint. Weights and tokenizer are real and load in transformers. A build takes
one second and is the same for the same arguments. The predictions are random.
"""

import json
import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

Architecture = Literal["bert", "distilbert", "roberta"]

MAX_LENGTH = 64
HEAD_TOKENS = 15

_WORDS = {
    "positive": ["good", "great", "lovely", "moving", "funny", "clever"],
    "negative": ["bad", "dull", "awful", "empty", "boring", "clumsy"],
    "any": [
        "the",
        "a",
        "film",
        "plot",
        "actor",
        "scene",
        "was",
        "is",
        "and",
        "very",
        "not",
        "again",
        "watch",
    ],
}


def build_checkpoint(
    directory: Path,
    *,
    architecture: Architecture = "bert",
    labels: Sequence[str] = ("negative", "positive"),
    hidden: int = 16,
    heads: int = 2,
    layers: int = 2,
    seed: int = 0,
) -> Path:
    """Write a checkpoint directory with random weights and return it.

    Args:
        directory: created if it is missing.
        architecture: family of the model; BERT and DistilBERT get WordPiece, RoBERTa byte-level tokens.
        labels: names in label order.
        hidden: width, a multiple of ``heads``.
        heads: of attention, per layer.
        layers: transformer layers.
        seed: of the weights and of the synthetic validation rows.
    """
    import torch  # noqa: PLC0415 - the server's own tests import this folder where torch does not exist

    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(architecture)
    torch.manual_seed(seed)
    model = _model(architecture, list(labels), tokenizer, hidden=hidden, heads=heads, layers=layers)
    model.eval()
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    rows = synthetic_rows(labels, seed=seed)
    _write_validation(directory / "validation.parquet", rows)
    _write_json(directory / "recipe.json", _recipe(labels, len(rows), seed))
    _write_json(directory / "metrics.json", _metrics(labels, len(rows)))
    return directory


def synthetic_rows(labels: Sequence[str], *, per_label: int = 32, seed: int = 0) -> list[tuple[str, int]]:
    """Return ``(text, label)`` rows whose words tell the labels apart; one in eight is longer than a row."""
    draw = random.Random(seed)  # noqa: S311 - test data, not cryptography
    rows = []
    for label, name in enumerate(labels):
        telling = _WORDS.get(name, [f"{name}{digit}" for digit in range(4)])
        for index in range(per_label):
            length = draw.randint(4, 12) if index % 8 else MAX_LENGTH + draw.randint(1, 60)
            words = [draw.choice(telling if draw.random() < 0.4 else _WORDS["any"]) for _ in range(length)]
            rows.append((" ".join([*words, draw.choice(telling)]), label))
    draw.shuffle(rows)
    return rows


def _tokenizer(architecture: Architecture) -> Any:
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415 - as torch above

    if architecture == "roberta":
        raw, special = byte_level()
    else:
        raw, special = word_piece()
    return PreTrainedTokenizerFast(tokenizer_object=raw, model_max_length=MAX_LENGTH, **special)


def words() -> list[str]:
    """Return the words of the synthetic rows."""
    return sorted({word for group in _WORDS.values() for word in group})


def word_piece() -> tuple[Any, dict[str, str]]:
    """Return a WordPiece tokenizer and its special tokens."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors  # noqa: PLC0415 - as above

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = [*string.ascii_lowercase, *string.digits]
    pieces = [
        *special,
        *characters,
        *string.punctuation,
        *(word for word in words() if word not in characters),
        *(f"##{piece}" for piece in characters),
    ]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    raw = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer(lowercase=True)
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.decoder = decoders.WordPiece()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return raw, dict(zip(names, special, strict=True))


def byte_level() -> tuple[Any, dict[str, str]]:
    """Return a byte-level BPE tokenizer without merges and its special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors  # noqa: PLC0415 - as above

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    raw = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.post_processor = processors.RobertaProcessing(sep=("</s>", 2), cls=("<s>", 0))
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    return raw, {**dict(zip(names, special, strict=True)), "cls_token": "<s>", "sep_token": "</s>"}


def _model(
    architecture: Architecture, labels: list[str], tokenizer: Any, *, hidden: int, heads: int, layers: int
) -> Any:
    import transformers  # noqa: PLC0415 - as torch above

    shared = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: i for i, label in enumerate(labels)},
    }
    if architecture == "distilbert":
        config = transformers.DistilBertConfig(
            dim=hidden,
            hidden_dim=2 * hidden,
            n_layers=layers,
            n_heads=heads,
            max_position_embeddings=MAX_LENGTH,
            **shared,
        )
        return transformers.DistilBertForSequenceClassification(config)
    wide = {
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
    }
    if architecture == "roberta":  # its positions start behind the padding id
        positions = MAX_LENGTH + tokenizer.pad_token_id + 1
        config = transformers.RobertaConfig(max_position_embeddings=positions, type_vocab_size=1, **wide, **shared)
        return transformers.RobertaForSequenceClassification(config)
    config = transformers.BertConfig(max_position_embeddings=MAX_LENGTH, **wide, **shared)
    return transformers.BertForSequenceClassification(config)


def _recipe(labels: Sequence[str], rows: int, seed: int) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": "tiny",
        "base_model": "tests/tiny-random",
        "labels": list(labels),
        "max_length": MAX_LENGTH,
        "truncation": "head_tail",
        "head_tokens": HEAD_TOKENS,
        "seed": seed,
        "hyper_parameters": {"epochs": 1.0, "batch_texts": 8, "peak_learning_rate": 1e-4},
        "data": [{"name": "synthetic", "split": "train", "rows": rows, "sha256": "0" * 64, "weight": 1.0}],
        "command": "python -m training --smoke",
        "source_commit": "0" * 40,
        "started_at": "2026-01-01T00:00:00+00:00",
        "duration_s": 1.0,
        "hardware": "a test",
    }


def _metrics(labels: Sequence[str], rows: int) -> dict[str, Any]:
    chance = 1 / len(labels)
    evaluation = {
        "dataset": "synthetic",
        "split": "validation",
        "n": rows,
        "accuracy": chance,
        "macro_f1": chance,
        "expected_calibration_error": 0.0,
    }
    return {"schema_version": 1, "evaluations": [evaluation]}


def _write_validation(path: Path, rows: list[tuple[str, int]]) -> None:
    import pyarrow  # noqa: PLC0415 - as torch above
    from pyarrow import parquet  # noqa: PLC0415 - as above

    texts, labels = zip(*rows, strict=True)
    columns = {"text": list(texts), "label": list(labels), "source": ["synthetic"] * len(rows)}
    parquet.write_table(pyarrow.table(columns), path)


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n")
