"""Classifiers: random weights in the shapes of transformers' architectures, at any width and depth.

Time and memory do not depend on weights. They do depend on the vocabulary, so each architecture has that of its
best-known checkpoint; settings that change the graph (DeBERTa's relative positions, ModernBERT's windows) are those of
that checkpoint too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_LENGTH: Final = 512
"""Most tokens of a text; positions beyond them are not built."""
PAD_TOKEN_ID: Final = 1
LABELS: Final = ("negative", "positive")
_HEADS: Final = 12
"""Of attention, as in MiniLM (384 wide) and in BERT base (768 wide)."""
_LEAST_HEAD: Final = 16
"""Channels of a head, at least, for models that are narrower than 192."""
_GAIN: Final = 1.5
"""Factor of the random matrices, so that answers depend on the text."""
_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Architecture:
    """One architecture of transformers.

    Attributes:
        prefix: of its classes.
        vocabulary: tokens of its best-known checkpoint.
        widening: width of the feed-forward part, in widths of the model.
        encoder: whether every token reads the whole text.
        positions: rows of the table of positions that no text reaches.
        settings: more of its configuration.
    """

    prefix: str
    vocabulary: int
    widening: float = 4
    encoder: bool = True
    positions: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


_BEHIND_PADDING: Final[dict[str, Any]] = {"positions": PAD_TOKEN_ID + 1, "settings": {"type_vocab_size": 1}}
ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    "bert": Architecture("Bert", 30_522),
    "distilbert": Architecture("DistilBert", 30_522),
    "electra": Architecture("Electra", 30_522),
    "roberta": Architecture("Roberta", 50_265, **_BEHIND_PADDING),
    "xlm-roberta": Architecture("XLMRoberta", 250_002, **_BEHIND_PADDING),
    "camembert": Architecture("Camembert", 32_005, **_BEHIND_PADDING),
    "albert": Architecture("Albert", 30_000, settings={"embedding_size": 128}),
    "mpnet": Architecture("MPNet", 30_527, positions=PAD_TOKEN_ID + 1),
    "modernbert": Architecture(
        "ModernBert",
        50_368,
        widening=1.5,
        settings={"global_attn_every_n_layers": 3, "local_attention": 128, "reference_compile": False},
    ),
    "deberta-v2": Architecture(
        "DebertaV2",
        128_100,
        settings={
            "relative_attention": True,
            "position_buckets": 256,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
    ),
    "gpt2": Architecture("GPT2", 50_257, encoder=False),
    "qwen2": Architecture("Qwen2", 151_936, encoder=False, settings={"num_key_value_heads": 2}),
}
"""By the names that transformers gives them; ``deberta-v2`` has the settings of DeBERTa-v3."""


def build(name: str, width: int, layers: int, vocabulary: int | None = None) -> "PreTrainedModel":
    """Return a classifier of two labels with random weights, the same for the same arguments.

    Args:
        name: a key of ``ARCHITECTURES``.
        width: of a token's vector.
        layers: transformer layers.
        vocabulary: tokens; the architecture's own where None.
    """
    import torch  # noqa: PLC0415 - takes seconds that other commands do not need
    import transformers  # noqa: PLC0415 - as torch

    architecture = ARCHITECTURES[name]
    widened = round(architecture.widening * width)
    inner = {"distilbert": "hidden_dim", "gpt2": "n_inner"}.get(name, "intermediate_size")
    config = getattr(transformers, f"{architecture.prefix}Config")(
        **{
            "vocab_size": vocabulary or architecture.vocabulary,
            "hidden_size": width,
            inner: widened,
            "num_hidden_layers": layers,
            "num_attention_heads": max(1, min(_HEADS, width // _LEAST_HEAD)),
            "max_position_embeddings": MAX_LENGTH + architecture.positions,
            "pad_token_id": PAD_TOKEN_ID,
            "bos_token_id": None,
            "eos_token_id": None,
            "id2label": dict(enumerate(LABELS)),
            "label2id": {label: index for index, label in enumerate(LABELS)},
            **({"embedding_size": width} if name == "electra" else {}),
            **architecture.settings,
        }
    )
    torch.manual_seed(_SEED)
    model: PreTrainedModel = getattr(transformers, f"{architecture.prefix}ForSequenceClassification")(config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 2:  # noqa: PLR2004 - matrices
            parameter.data.mul_(_GAIN)
    return model
