"""Weights: the PyTorch model, loaded whole or refused.

transformers fills missing weights with random numbers and only warns. A classifier without its head, or without one
layer, would then be exported, and int8 would be close to an equally random fp32. So no weight may be missing,
unexpected, of another shape, or not finite.
"""

import re
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel

from export.errors import ExportError

FILES: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""Forms of the weights, the preferred one first."""
_HEADS: Final = ("classifier", "score", "logits_proj", "classification_head", "sequence_summary")
_UNUSED: Final = re.compile(
    r"(^|\.)(position_ids|inv_freq|masked_bias|attn\.bias)$|\.pooler\.|^lm_head\.|^cls\.predictions\."
)
"""Tensors that older versions and other tasks store, and that no classifier reads."""
_SHOWN: Final = 3


def has_weights(directory: Path) -> bool:
    """Return whether a directory holds weights in a form that is read."""
    return any((directory / name).is_file() for name in FILES)


def load_whole(directory: Path, config: PretrainedConfig) -> PreTrainedModel:
    """Return the model in fp32 and in evaluation mode.

    Raises:
        ExportError: if the files are damaged, or a weight is missing, unexpected, of another shape or not finite.
    """
    if not has_weights(directory):
        raise ExportError(
            f"{directory} holds no weights: none of {', '.join(FILES)}; save them with model.save_pretrained"
        )
    model, info = load(directory, config)
    _check_missing(directory, list(info["missing_keys"]))
    shapes = sorted(info["mismatched_keys"])
    if shapes:
        needed = tuple(model.get_parameter(shapes[-1]).shape)
        raise ExportError(
            f"{directory}: {shapes[-1]} has another shape in the file than the {needed} of config.json"
            + (f", which names {config.num_labels} labels" if shapes[-1].split(".")[0] in _HEADS else "")
        )
    unexpected = [name for name in sorted(info["unexpected_keys"]) if not _UNUSED.search(name)]
    if unexpected:
        raise ExportError(
            f"{directory} holds {len(unexpected)} weights that {type(model).__name__} does not read "
            f"({_some(unexpected)}): config.json describes another model, or a smaller one"
        )
    check_finite(directory, model)
    return model


def load(directory: Path, config: PretrainedConfig) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return the model in fp32, in evaluation mode, and transformers' information about the loading.

    Raises:
        ExportError: if transformers cannot load it.
    """
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            directory,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are reported
            weights_only=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    except Exception as error:  # many classes: damaged files, pickles of code, a configuration that does not fit
        first = (str(error).strip() or repr(error)).splitlines()[0][:200]
        raise ExportError(f"{directory} is damaged or cannot be loaded: {first}") from error
    return model.eval(), info


def check_finite(directory: Path, model: PreTrainedModel) -> None:
    """Check that every weight is a finite number.

    Raises:
        ExportError: naming the weight that is not.
    """
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise ExportError(f"{directory}: the weight {name} holds NaN or infinity; train again")


def _check_missing(directory: Path, missing: list[str]) -> None:
    if not missing:
        return
    if all(name.split(".")[0] in _HEADS or name.startswith("pre_classifier") for name in missing):
        raise ExportError(
            f"{directory} has no classifier head ({_some(missing)} are missing) and would answer at random; "
            "fine-tune it with python -m training"
        )
    raise ExportError(
        f"{directory} lacks {len(missing)} weights of the model ({_some(missing)}), which transformers would fill with "
        "random numbers: the file is not whole, or config.json describes another model"
    )


def _some(names: list[str]) -> str:
    shown = sorted(names, key=lambda name: (name.split(".")[0] not in _HEADS, name))[:_SHOWN]
    return ", ".join(shown) + (", …" if len(names) > _SHOWN else "")


def token_rows(model: PreTrainedModel) -> int:
    """Return the number of ids that the model has an embedding for."""
    return int(model.get_input_embeddings().weight.shape[0])


def position_rows(model: PreTrainedModel) -> int | None:
    """Return the most tokens that the model has positions for; None where it has no limit.

    RoBERTa and its relatives count from behind the padding id, BART from 2.
    """
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        if last in ("position_embeddings", "wpe", "embed_positions") and isinstance(module, torch.nn.Embedding):
            padding = module.padding_idx
            first = padding + 1 if padding is not None else int(getattr(module, "offset", 0))
            return int(module.num_embeddings) - first
    found = getattr(model.config, "max_position_embeddings", None)
    return int(found) if found and int(found) > 0 else None
