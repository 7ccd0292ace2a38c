"""A PEFT adapter is merged into its base, and answers as the two of them do."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
import peft
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification

from artifact.runtime import Batch
from export.checkpoint import read_checkpoint
from export.errors import ExportError
from export.graph.convert import torch_logits
from tests.support.architectures import build_foreign

pytestmark = [
    pytest.mark.development,
    pytest.mark.filterwarnings("ignore::UserWarning:peft"),  # it advises about settings of the tests
]
_BATCH = Batch.of([(5, 6, 7, 8), (9, 10)], 0)


def _adapt(base: Path, directory: Path, labels: int = 3) -> torch.Tensor:
    """Write an adapter whose weights are not those of a beginning, and return its logits."""
    config = AutoConfig.from_pretrained(base, num_labels=labels)
    model = AutoModelForSequenceClassification.from_pretrained(base, config=config, ignore_mismatched_sizes=True)
    settings = peft.LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"])
    adapted = peft.get_peft_model(model, settings).eval()
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    adapted.save_pretrained(directory)
    return torch.tensor(torch_logits(adapted, _BATCH))


def test_an_adapter_is_merged(tmp_path: Path) -> None:
    """Labels and tokenizer come from the base where the adapter brings none."""
    expected = _adapt(build_foreign(tmp_path / "base", "bert"), tmp_path / "adapter")
    found = read_checkpoint(tmp_path / "adapter")
    assert torch.allclose(expected, torch.tensor(torch_logits(found.model, _BATCH)), atol=1e-5)
    assert not torch.allclose(expected, torch.tensor(torch_logits(read_checkpoint(tmp_path / "base").model, _BATCH)))
    assert ("a", "b", "c") == found.labels


def test_a_head_of_other_labels_comes_from_the_adapter(tmp_path: Path) -> None:
    """The base has three labels, the adapter five, which have no names."""
    expected = _adapt(build_foreign(tmp_path / "base", "bert"), tmp_path / "adapter", labels=5)
    found = read_checkpoint(tmp_path / "adapter")
    assert torch.allclose(expected, torch.tensor(torch_logits(found.model, _BATCH)), atol=1e-5)
    assert tuple(f"LABEL_{index}" for index in range(5)) == found.labels


def test_an_adapter_beside_a_whole_model_is_refused(tmp_path: Path) -> None:
    """It is not clear which of the two answers."""
    base = build_foreign(tmp_path / "base", "bert")
    _adapt(base, base)
    with pytest.raises(ExportError, match="holds an adapter beside a whole model"):
        read_checkpoint(base)


def test_an_adapter_without_a_head_is_refused(tmp_path: Path) -> None:
    """The head would be random."""
    _adapt(build_foreign(tmp_path / "base", "bert"), tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({n: t for n, t in load_file(path).items() if "classifier" not in n}, path, metadata={"format": "pt"})
    with pytest.raises(ExportError, match="brings no classifier head"):
        read_checkpoint(tmp_path / "adapter")


def test_an_adapter_with_a_gap_is_refused(tmp_path: Path) -> None:
    """One layer's update is missing; peft only warns."""
    _adapt(build_foreign(tmp_path / "base", "bert"), tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({n: t for n, t in load_file(path).items() if "layer.1" not in n}, path, metadata={"format": "pt"})
    with pytest.raises(ExportError, match="weights of the adapter do not fit"):
        read_checkpoint(tmp_path / "adapter")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task_type": "CAUSAL_LM"}, "an adapter for CAUSAL_LM"),
        ({"base_model_name_or_path": "/no/where"}, "its base model /no/where is not there"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_refused(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    """One line names what does not fit."""
    _adapt(build_foreign(tmp_path / "base", "bert"), tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ExportError, match=words):
        read_checkpoint(tmp_path / "adapter")
