"""Adapter: a PEFT adapter (LoRA and its relatives) merged into its base model.

The adapter brings the trained head; the base is a model without one. peft is a development dependency.
"""

from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from export.errors import ExportError
from export.source.config import read_object, refuse_custom_code
from export.source.hub import download
from export.source.weights import check_finite, has_weights, load

CONFIG: Final = "adapter_config.json"
_WEIGHTS: Final = ("adapter_model.safetensors", "adapter_model.bin")
_HEAD: Final = ("classifier.weight", "classifier.out_proj.weight", "score.weight")


def is_adapter(directory: Path) -> bool:
    """Return whether a directory holds an adapter and no whole model.

    Raises:
        ExportError: if it holds both, so that it is unclear which one answers.
    """
    if not (directory / CONFIG).is_file():
        return False
    if has_weights(directory):
        raise ExportError(
            f"{directory} holds an adapter beside a whole model, and transformers would add the one to the other; "
            f"remove {CONFIG} or keep the adapter in a directory of its own"
        )
    return True


def find_base(directory: Path) -> Path:
    """Return the directory of an adapter's base model.

    Raises:
        ExportError: if the adapter is not one of a classifier, or its base cannot be found.
    """
    settings = read_object(directory / CONFIG)
    refuse_custom_code(directory / CONFIG, settings)
    if settings.get("task_type") != "SEQ_CLS":
        raise ExportError(f"{directory} is an adapter for {settings.get('task_type')}, not for a classifier (SEQ_CLS)")
    name = str(settings.get("base_model_name_or_path") or "")
    for path in (directory / name, Path(name)):
        if name and path.is_dir():
            return path
    if not name or name.startswith((".", "/")):
        raise ExportError(f"{directory}: its base model {name or '(not named)'} is not there; mend {CONFIG}")
    return download(name, settings.get("revision"))[0]


def merge(directory: Path, base: Path) -> tuple[PreTrainedModel, PretrainedConfig]:
    """Return the base model with the adapter merged, in fp32 and in evaluation mode.

    Raises:
        ExportError: if peft is missing, the adapter does not fit its base, or neither brings the head.
    """
    try:
        from peft import PeftModel, get_peft_model_state_dict  # noqa: PLC0415 - only adapters need it
    except ImportError as error:
        raise ExportError(f"{directory} is an adapter; install peft to merge it") from error
    saved = _saved_weights(directory)
    config = _config(directory, base, saved)
    model, info = load(base, config)
    replaced = {name.removeprefix("base_model.model.") for name in saved}
    missing = {*info["missing_keys"], *info["mismatched_keys"]} - replaced
    if missing:
        raise ExportError(
            f"{base} and its adapter {directory} lack {len(missing)} weights of the model ({min(missing)}), "
            "which would be random; keep the head in the adapter (modules_to_save)"
        )
    try:
        adapted = PeftModel.from_pretrained(model, directory)
    except Exception as error:  # peft and torch raise many classes about weights that do not fit
        raise ExportError(f"{directory} does not fit its base {base}: {str(error).splitlines()[0][:200]}") from error
    differing = set(get_peft_model_state_dict(adapted)) ^ set(saved)
    if differing:
        raise ExportError(f"{directory}: {len(differing)} weights of the adapter do not fit ({min(differing)})")
    merged: PreTrainedModel = adapted.merge_and_unload()
    check_finite(directory, merged)
    return merged.eval(), config


def _saved_weights(directory: Path) -> dict[str, torch.Tensor]:
    path = next((directory / name for name in _WEIGHTS if (directory / name).is_file()), None)
    if path is None:
        raise ExportError(f"{directory} holds no weights of the adapter: none of {', '.join(_WEIGHTS)}")
    try:
        found: dict[str, Any] = load_file(path) if path.suffix != ".bin" else torch.load(path, weights_only=True)
    except Exception as error:  # safetensors, pickle and zip raise classes of their own
        raise ExportError(f"{path} is damaged: {str(error).splitlines()[0][:200]}") from error
    return found


def _config(directory: Path, base: Path, saved: dict[str, torch.Tensor]) -> PretrainedConfig:
    """Return the configuration of the merged classifier: labels of the adapter, else of the base, else numbered."""
    heads = [int(weight.shape[0]) for name, weight in saved.items() if name.endswith(_HEAD)]
    if len(heads) != 1:
        raise ExportError(f"{directory} brings no classifier head; train it with modules_to_save or task_type SEQ_CLS")
    document = read_object(base / "config.json")
    refuse_custom_code(base / "config.json", document)
    for folder in (directory, base):
        if (folder / "config.json").is_file():
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            if config.num_labels == heads[0]:
                return config
    config = AutoConfig.from_pretrained(base, trust_remote_code=False)
    config.num_labels = heads[0]
    return config
