"""``python -m training.prune`` writes a smaller checkpoint that can be trained, exported and pruned again."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from tests.support.checkpoints import Architecture, build_checkpoint, synthetic_rows
from training.__main__ import main as train
from training.average import main as average
from training.checkpoint.classifier import load_checkpoint, predict
from training.data.training_data import Example
from training.prune import form_of, prune
from training.prune import main as prune_command

pytestmark = pytest.mark.development

LABELS = ("negative", "positive")
EXAMPLES = [Example(text, label, "synthetic") for text, label in synthetic_rows(LABELS, per_label=12)]


@pytest.mark.parametrize("architecture", get_args(Architecture))
def test_what_does_nothing_is_what_goes(architecture: Architecture, tmp_path: Path) -> None:
    """Heads and channels without influence are removed, and no answer changes."""
    classifier = load_checkpoint(build_checkpoint(tmp_path / "whole", architecture=architecture, heads=4), "fp32")
    form = form_of(classifier.model)
    layers = list(classifier.model.base_model.get_submodule(form.layers))
    with torch.no_grad():
        for index, layer in enumerate(layers):
            for idle in (index, index + 2):  # others in every layer
                layer.get_submodule(form.attended).weight[:, 4 * idle : 4 * idle + 4] = 0
            layer.get_submodule(form.narrowed).weight[:, 5:17] = 0
    before = predict(classifier, EXAMPLES)
    for heads, channels in ((3, 26), (2, 20)):  # the second time, places of heads are not their numbers any more
        prune(classifier, EXAMPLES, heads, channels)
        classifier.model.save_pretrained(tmp_path / "whole")
        classifier = load_checkpoint(tmp_path / "whole", "fp32")
        assert np.abs(predict(classifier, EXAMPLES) - before).max() < 1e-6
        for layer in classifier.model.base_model.get_submodule(form.layers):
            assert layer.get_submodule(form.attended).in_features == 4 * heads
            narrowed = layer.get_submodule(form.narrowed).in_features
            assert layer.get_submodule(form.widened).out_features == narrowed == channels


def test_pruned_checkpoint_is_one_to_go_on_from(arguments: list[str], rows: Path, tmp_path: Path) -> None:
    """A pruned checkpoint loads with its own sizes, can be trained again, and its recipe names its origin."""
    first, small, second = tmp_path / "out", tmp_path / "small", tmp_path / "second"
    assert 0 == train(arguments)
    wanted = ["--heads", "1", "--channels", "20", "--threads", "1"]
    assert 0 == prune_command([str(first), "--data", f"{rows},name=synthetic", *wanted, "--output", str(small)])
    assert (small / "validation.parquet").read_bytes() == (first / "validation.parquet").read_bytes()
    recipe = json.loads((small / "recipe.json").read_text())
    assert "pruned to 1 attention head and 20 feed-forward channels per layer" in recipe["base_model"]
    assert recipe["base_recipe"] == json.loads((first / "recipe.json").read_text())
    assert 0 == train([*arguments, "--base-model", str(small), "--output", str(second)])
    model = load_checkpoint(second).model
    assert 8 == model.bert.encoder.layer[1].attention.self.query.out_features
    assert 20 == model.config.intermediate_size
    assert json.loads((second / "metrics.json").read_text())["evaluations"][0]["accuracy"] > 0.9


def test_checkpoints_that_were_pruned_apart_have_no_mean(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Checkpoints pruned apart have matrices of one size but different heads and channels, and are refused."""
    whole = build_checkpoint(tmp_path / "whole")
    wanted = ["--data", f"{rows},name=synthetic", "--heads", "1", "--channels", "20", "--threads", "1"]
    for name in ("one", "other"):
        assert 0 == prune_command([str(whole), *wanted, "--output", str(tmp_path / name)])
    pair = [str(tmp_path / "one"), str(tmp_path / "other")]
    assert 1 == average([*pair, "--output", str(tmp_path / "mean")])
    assert "have different heads and channels left and cannot be averaged" in capsys.readouterr().err


def test_unfit_wishes_are_one_line(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Too many parts, another architecture, no checkpoint or an existing output: nothing is written."""
    whole, small = build_checkpoint(tmp_path / "whole"), tmp_path / "small"
    foreign = build_checkpoint(tmp_path / "foreign")
    _as_electra(foreign)
    for checkpoint, heads, channels, message in (
        (whole, 3, 20, "3 heads cannot be kept per layer, which has 2; give 1 to 2"),
        (whole, 1, 0, "0 feed-forward channels cannot be kept per layer, which has 32"),
        (foreign, 1, 20, "a model of type 'electra' cannot be pruned; bert, roberta, distilbert can"),
        (tmp_path, 1, 20, "is not a finished checkpoint"),
    ):
        wanted = ["--heads", str(heads), "--channels", str(channels), "--output", str(small)]
        assert 1 == prune_command([str(checkpoint), "--data", f"{rows},name=synthetic", *wanted])
        found = capsys.readouterr().err
        assert message in found
        assert 1 == found.count("\n")
    wanted = ["--heads", "1", "--channels", "20", "--output", str(small)]
    assert 1 == prune_command([str(whole), "--data", f"{whole / 'validation.parquet'},name=own", *wanted])
    assert "every row of --data is a held-out row of the checkpoint" in capsys.readouterr().err
    wanted = ["--heads", "1", "--channels", "20", "--output", str(whole)]
    assert 1 == prune_command([str(whole), "--data", f"{rows},name=synthetic", *wanted])
    assert "exists and is not overwritten" in capsys.readouterr().err
    assert not small.exists()


def _as_electra(directory: Path) -> None:
    import transformers  # noqa: PLC0415 - not before importorskip

    sizes = {"hidden_size": 16, "embedding_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: index for index, name in enumerate(LABELS)}}
    config = transformers.ElectraConfig(num_attention_heads=2, vocab_size=120, pad_token_id=0, **sizes, **names)
    transformers.ElectraForSequenceClassification(config).save_pretrained(directory)
