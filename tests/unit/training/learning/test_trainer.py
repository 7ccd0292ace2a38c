"""The best weights are kept, a run without improvement stops, and an incomplete checkpoint is skipped."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from training.learning.trainer import KeepBest, last_checkpoint  # noqa: E402 - as above
from training.plan import Criterion  # noqa: E402 - behind the check for torch

pytestmark = pytest.mark.development


class _Model:
    """A model that records where it was saved."""

    def __init__(self) -> None:
        self.saved = 0

    def save_pretrained(self, directory: Path) -> None:
        self.saved += 1


def _run(callback: KeepBest, scores: dict[int, float], figure: str = "macro_f1") -> tuple[_Model, Any]:
    model, control = _Model(), SimpleNamespace(should_training_stop=False)
    callback.on_train_begin()
    for step, score in scores.items():
        state = SimpleNamespace(global_step=step, max_steps=100, is_world_process_zero=True)
        callback.on_evaluate(
            None, state, control, model=model, metrics={"eval_log_loss": 1 / step, f"eval_{figure}": score}
        )
    return model, control


@pytest.mark.parametrize(
    ("figure", "scores", "best"),
    [("macro_f1", {10: 0.8, 20: 0.9, 30: 0.85}, 20), ("log_loss", {10: 0.3, 20: 0.2, 30: 0.2}, 20)],
)
def test_first_best_is_kept(tmp_path: Path, figure: Criterion, scores: dict[int, float], best: int) -> None:
    """Higher is better, except for a loss; between equal values the first is kept."""
    callback = KeepBest(tmp_path / "best", figure, patience=0)
    model, control = _run(callback, scores, figure)
    assert (callback.best_step, model.saved, control.should_training_stop) == (best, 2, False)


def test_lower_loss_decides_between_equals(tmp_path: Path) -> None:
    """Between evaluations with the same accuracy the lower log loss decides."""
    callback = KeepBest(tmp_path / "best", "accuracy", patience=0)
    _run(callback, {10: 0.9, 20: 0.9}, "accuracy")
    assert 20 == callback.best_step


def test_weights_that_came_too_early_do_not_count(tmp_path: Path) -> None:
    """Weights from before the rounding are never kept and do not count for patience."""
    callback = KeepBest(tmp_path / "best", "macro_f1", patience=2, after=0.6)
    model, control = _run(callback, {20: 0.95, 40: 0.9, 60: 0.9, 80: 0.8, 100: 0.85})
    assert (100, 2, False) == (callback.best_step, model.saved, control.should_training_stop)


def test_stale_run_stops(tmp_path: Path) -> None:
    """The run stops after ``patience`` evaluations without improvement."""
    assert not _run(KeepBest(tmp_path / "a", "macro_f1", 2), {1: 0.9, 2: 0.8})[1].should_training_stop
    assert _run(KeepBest(tmp_path / "b", "macro_f1", 2), {1: 0.9, 2: 0.8, 3: 0.7})[1].should_training_stop


def test_resumed_run_decides_as_an_unbroken_one(tmp_path: Path) -> None:
    """A step that is measured again after a kill counts once."""
    _run(KeepBest(tmp_path / "best", "macro_f1", 2), {1: 0.9, 2: 0.8})
    resumed = KeepBest(tmp_path / "best", "macro_f1", 2)
    model, control = _run(resumed, {2: 0.8})
    assert (1, 0, False) == (resumed.best_step, model.saved, control.should_training_stop)


def test_half_written_checkpoint_is_dropped(tmp_path: Path) -> None:
    """The newest complete checkpoint by number is returned, and incomplete ones are deleted."""
    for step, content in ((90, {"a": 1}), (100, {"b": 1})):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps(content))
    (tmp_path / "checkpoint-110").mkdir()
    (tmp_path / "checkpoint-120").mkdir()
    (tmp_path / "checkpoint-120" / "trainer_state.json").write_text('{"cut')
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-100")
    assert ["checkpoint-100", "checkpoint-90"] == sorted(path.name for path in tmp_path.iterdir())


def test_fresh_run_has_no_checkpoint(tmp_path: Path) -> None:
    """Without a checkpoint the result is None."""
    assert last_checkpoint(tmp_path) is None
