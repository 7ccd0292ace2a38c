"""Config: ``config.json``, checked before the weights are loaded.

The export runs classes of transformers and no code from a checkpoint. So a model of custom code, a model without a
classifier, and a model of images or sound are refused here, and so are labels with gaps or doubles.
"""

import json
from pathlib import Path
from typing import Any, Final

from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig, PretrainedConfig

from export.errors import ExportError

_CLASSIFIER: Final = "ForSequenceClassification"


def read_config(directory: Path) -> PretrainedConfig:
    """Return the configuration of a sequence classifier.

    Raises:
        ExportError: if it cannot be read, or the model is not one that transformers defines as a text classifier.
    """
    path = directory / "config.json"
    document = read_object(path)
    refuse_custom_code(path, document)
    if "quantization_config" in document:
        raise ExportError(f"{directory} is quantized already; export the checkpoint that it was made from")
    try:
        config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    except Exception as error:  # transformers raises many classes about a configuration
        raise ExportError(f"{path} cannot be read: {_first_line(error)}") from error
    _check_class(directory, config)
    return config


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a checkpoint.

    Raises:
        ExportError: if the file is missing or holds something else.
    """
    if not path.is_file():
        raise ExportError(f"{path.parent} is no checkpoint: {path.name} is missing")
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise ExportError(f"{path} cannot be read: {_first_line(error)}") from error
    if not isinstance(document, dict):
        raise ExportError(f"{path} cannot be read: it does not hold an object")
    return document


def refuse_custom_code(path: Path, document: dict[str, Any]) -> None:
    """Refuse a configuration that names Python code of the checkpoint.

    Raises:
        ExportError: if it has an ``auto_map``.
    """
    if document.get("auto_map"):
        named = ", ".join(str(value) for value in dict(document["auto_map"]).values())[:120]
        raise ExportError(
            f"{path} names custom code ({named}), which the export does not run, and transformers' own class may "
            "answer differently; convert the model to a class of transformers"
        )


def read_labels(directory: Path, config: PretrainedConfig) -> tuple[str, ...]:
    """Return the names of the labels in label order.

    Raises:
        ExportError: if ``id2label`` has a gap or a double, or contradicts ``label2id``.
    """
    names = {int(index): str(name).strip() for index, name in (config.id2label or {}).items()}
    path = directory / "config.json"
    if sorted(names) != list(range(len(names))):
        raise ExportError(f"{path}: id2label has the ids {sorted(names)}; it needs 0 to {len(names) - 1} without a gap")
    labels = tuple(names[index] for index in range(len(names)))
    doubles = sorted({name for name in labels if labels.count(name) > 1})
    if doubles or "" in labels:
        raise ExportError(f"{path}: id2label has " + (f"{doubles} twice" if doubles else "an empty name"))
    ids = {str(name): int(index) for name, index in (config.label2id or {}).items()}
    if set(ids) == set(labels) and any(labels[index] != name for name, index in ids.items()):
        raise ExportError(f"{path}: id2label {dict(enumerate(labels))} contradicts label2id {ids}")
    return labels


def _check_class(directory: Path, config: PretrainedConfig) -> None:
    """Refuse a model that is no text classifier of transformers."""
    named = [str(name) for name in config.architectures or ()]
    if not any(name.endswith(_CLASSIFIER) for name in named):
        raise ExportError(
            f"{directory} is not a sequence classifier but {named or 'of no stated architecture'}; "
            "fine-tune one with python -m training"
        )
    known = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING.get(type(config), None)
    classes = [item.__name__ for item in (known if isinstance(known, tuple) else [known]) if item]
    if not classes:
        raise ExportError(f"{directory} is a {config.model_type} model, which classifies no text")
    if not set(classes) & set(named):
        raise ExportError(
            f"{directory} was saved as {named[0]}, which transformers does not know; it would load {classes[0]}, "
            "which may answer differently"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0][:200]
