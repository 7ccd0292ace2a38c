"""Checkpoints of base width, as a stranger's directory holds them."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
import transformers

from benchmarks.architectures.checkpoints import BASES, write
from benchmarks.architectures.classifiers import ARCHITECTURES, LABELS
from benchmarks.load.corpus import compose

pytestmark = pytest.mark.development

TEXTS = compose("sentences", 100).texts


@pytest.mark.parametrize("name", BASES)
def test_a_checkpoint_decides_for_one_label_and_reads_text(tmp_path: Path, name: str) -> None:
    """Transformers loads it; the tokenizer knows the words, and few texts get the other label."""
    weights = write(tmp_path, name, 32, 1, TEXTS)
    classify = transformers.pipeline("text-classification", model=str(tmp_path))
    assert weights == sum(parameter.numel() for parameter in classify.model.parameters())
    assert ARCHITECTURES[name].vocabulary == classify.model.config.vocab_size
    ids = classify.tokenizer("A film I will watch again.")["input_ids"]
    assert classify.tokenizer.unk_token_id not in ids
    assert classify.model.config.pad_token_id == classify.tokenizer.pad_token_id
    assert [LABELS[0]] * 90 == sorted(answer["label"] for answer in classify(list(TEXTS)))[:90]
