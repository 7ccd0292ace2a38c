"""Checkpoints: a random classifier of base width as a stranger's directory holds it, with a real tokenizer.

A random classifier is undecided about most texts, so int8 would flip decisions and no int8 graph could pass its gates.
The last bias is therefore set so that most texts get one label, as clearly as a trained model decides.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from artifact.child import ROOT
from benchmarks.architectures.classifiers import ARCHITECTURES, LABELS, MAX_LENGTH, build

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

_WORD_PIECE: Final = ROOT / "models" / "default" / "tokenizer.json"
"""BERT's vocabulary, and emoji behind it that are left out here."""
_MARGIN: Final = 2.5
"""Mean margin between the two logits in standard deviations: one text in 160 is on the other side."""
_DECIDING_TEXTS: Final = 64


@dataclass(frozen=True, slots=True)
class Base:
    """A base-width checkpoint.

    Attributes:
        layers: of its best-known checkpoint.
        byte_level: whether it reads bytes (RoBERTa) or pieces of words (BERT).
    """

    layers: int
    byte_level: bool


BASES: Final = {"distilbert": Base(6, byte_level=False), "roberta": Base(12, byte_level=True)}


def write(directory: Path, name: str, width: int, layers: int, texts: Sequence[str]) -> int:
    """Write a checkpoint and return its number of weights.

    Args:
        directory: made if it is missing.
        name: a key of ``BASES``.
        width: of a token's vector.
        layers: transformer layers.
        texts: to learn byte pairs from, and to decide about.
    """
    import transformers  # noqa: PLC0415 - takes seconds that other commands do not need

    vocabulary = ARCHITECTURES[name].vocabulary
    tokenizer, special = _byte_level(texts, vocabulary) if BASES[name].byte_level else _word_piece()
    model = build(name, width, layers)
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", "attention_mask"],
        **special,
    )
    model.config.pad_token_id = wrapped.pad_token_id
    _decide(model, [wrapped(text, truncation=True)["input_ids"] for text in texts[:_DECIDING_TEXTS]])
    model.save_pretrained(directory)
    wrapped.save_pretrained(directory)
    return sum(parameter.numel() for parameter in model.parameters())


def _decide(model: "PreTrainedModel", rows: Sequence[Sequence[int]]) -> None:
    """Set the bias of the last product so that most texts get the first label."""
    import torch  # noqa: PLC0415 - as above

    with torch.inference_mode():
        logits = torch.cat([model(input_ids=torch.tensor([row])).logits for row in rows])
    margins = logits[:, 0] - logits[:, 1]
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    last = next(layer for layer in reversed(layers) if layer.out_features == len(LABELS))
    last.bias.data[0] += _MARGIN * margins.std() - margins.mean()


def _word_piece() -> tuple["Tokenizer", dict[str, str]]:
    """Return BERT's tokenizer and its special tokens."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - as above

    document: dict[str, Any] = json.loads(_WORD_PIECE.read_text(encoding="utf-8"))
    pieces = len(document["model"]["vocab"])
    document["added_tokens"] = [token for token in document["added_tokens"] if token["id"] < pieces]
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return Tokenizer.from_str(json.dumps(document)), names


def _byte_level(texts: Sequence[str], vocabulary: int) -> tuple["Tokenizer", dict[str, str]]:
    """Return a tokenizer of byte pairs that is learned from texts; ids that they do not fill stay unused."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers  # noqa: PLC0415 - as above

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(sep=("</s>", 2), cls=("<s>", 0))
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    return tokenizer, {**dict(zip(names, special, strict=True)), "cls_token": "<s>", "sep_token": "</s>"}
