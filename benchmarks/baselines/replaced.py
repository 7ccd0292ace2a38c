"""Replaced: the system that Verdict replaces, DistilBERT in PyTorch with every text padded to 510 tokens.

It has random weights in DistilBERT's shape: time does not depend on weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from transformers import AutoTokenizer, DistilBertConfig, DistilBertForSequenceClassification

from benchmarks.baselines.app import Predict

_TOKENS: Final = 510


def load(models: Path) -> Predict:
    """Return the function. Of the baseline models it uses the tokenizer alone."""
    tokenizer = AutoTokenizer.from_pretrained(models)
    model = DistilBertForSequenceClassification(DistilBertConfig(vocab_size=len(tokenizer))).eval()

    def predict(text: str) -> Sequence[float]:
        row = tokenizer(text, padding="max_length", truncation=True, max_length=_TOKENS, return_tensors="pt")
        with torch.no_grad():
            logits = model(row["input_ids"], row["attention_mask"]).logits
        probabilities: list[float] = torch.softmax(logits, dim=1)[0].tolist()
        return probabilities

    return predict
