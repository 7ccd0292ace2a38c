"""Tiny random classifiers of many architectures, as a stranger's directory holds them: no recipe, no held-out rows.

Weights are scaled up, so that answers depend on the text. Tokenizers are real and know the words of the tests.
"""

import string
from pathlib import Path
from typing import Any, Final

from tests.support.checkpoints import byte_level, word_piece, words

WIDE: Final = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
LENGTH: Final = 64
_GAIN: Final = {"modernbert": 3, "gpt2": 4, "qwen2": 3}
"""Factor of the random weights; 6 for the others. More would make these answers chaotic."""
_BEHIND_PADDING: Final = {"max_position_embeddings": LENGTH + 2, "type_vocab_size": 1}

ARCHITECTURES: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "bert": ("Bert", "word_piece", {**WIDE, "max_position_embeddings": LENGTH}),
    "distilbert": (
        "DistilBert",
        "word_piece",
        {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2, "max_position_embeddings": LENGTH},
    ),
    "electra": ("Electra", "word_piece", {**WIDE, "embedding_size": 16, "max_position_embeddings": LENGTH}),
    "mpnet": ("MPNet", "byte_level", {**WIDE, "max_position_embeddings": LENGTH + 2}),
    "roberta": ("Roberta", "byte_level", {**WIDE, **_BEHIND_PADDING}),
    "xlm-roberta": ("XLMRoberta", "unigram", {**WIDE, **_BEHIND_PADDING}),
    "camembert": ("Camembert", "unigram", {**WIDE, **_BEHIND_PADDING}),
    "albert": ("Albert", "unigram", {**WIDE, "embedding_size": 16, "max_position_embeddings": LENGTH}),
    "deberta-v2": (
        "DebertaV2",
        "unigram",
        {
            **WIDE,
            "max_position_embeddings": LENGTH,
            "relative_attention": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
    ),
    "modernbert": (
        "ModernBert",
        "byte_level",
        {
            **WIDE,
            "num_hidden_layers": 4,
            "global_attn_every_n_layers": 3,
            "local_attention": 16,
            "max_position_embeddings": LENGTH,
            "reference_compile": False,
        },
    ),
    "gpt2": ("GPT2", "byte_level", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": LENGTH}),
    "qwen2": ("Qwen2", "byte_level", {**WIDE, "num_key_value_heads": 1, "max_position_embeddings": LENGTH}),
}
"""Name -> prefix of transformers' classes, kind of tokenizer, settings."""


def build_foreign(
    directory: Path, architecture: str, *, labels: tuple[str, ...] = ("a", "b", "c"), seed: int = 0, **settings: Any
) -> Path:
    """Write a tiny classifier as ``save_pretrained`` leaves it, and return its directory.

    Args:
        directory: created if it is missing.
        architecture: a key of ``ARCHITECTURES``.
        labels: names in label order.
        seed: of the weights.
        settings: more of the configuration.
    """
    import torch  # noqa: PLC0415 - the server's own tests import this folder where torch does not exist
    import transformers  # noqa: PLC0415 - as torch

    prefix, kind, own = ARCHITECTURES[architecture]
    raw, special = {"word_piece": word_piece, "byte_level": byte_level, "unigram": unigram}[kind]()
    shared = {
        "vocab_size": raw.get_vocab_size(),
        "pad_token_id": raw.token_to_id(special["pad_token"]),
        "bos_token_id": None,
        "eos_token_id": None,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    config = getattr(transformers, f"{prefix}Config")(**(shared | own | settings))
    types = ["token_type_ids"] if getattr(config, "type_vocab_size", 1) > 1 else []  # as the model's own tokenizer says
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        model_max_length=LENGTH,
        model_input_names=["input_ids", *types, "attention_mask"],
        **special,
    )
    torch.manual_seed(seed)
    model = getattr(transformers, f"{prefix}ForSequenceClassification")(config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data.mul_(_GAIN.get(architecture, 6))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def unigram() -> tuple[Any, dict[str, str]]:
    """Return a tokenizer such as sentencepiece makes, and its special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors  # noqa: PLC0415 - as above

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces = [f"▁{word}" for word in words()] + ["▁", *string.ascii_letters, *string.digits, *string.punctuation]
    scores = [(piece, 0.0) for piece in special] + [(piece, -1.0 - place / 50) for place, piece in enumerate(pieces)]
    raw = Tokenizer(models.Unigram(scores, unk_id=3))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    return raw, {**dict(zip(names, special, strict=True)), "cls_token": "<s>", "sep_token": "</s>"}
