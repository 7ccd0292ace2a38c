"""A log gets a line per minute and one per evaluation."""

import io
from types import SimpleNamespace

import pytest

pytest.importorskip("transformers")
pytest.importorskip("rich")

from rich.console import Console

from training.learning.progress import ShowProgress

pytestmark = pytest.mark.development


def test_log_says_speed_and_time_left() -> None:
    """In a log, a step writes a line if the last one is more than a minute old."""
    now = [0.0]
    stream = io.StringIO()
    shown = ShowProgress(Console(file=stream), clock=lambda: now[0])
    state = SimpleNamespace(global_step=100, max_steps=400)
    shown.on_train_begin(None, state, None)
    for state.global_step, now[0] in ((110, 10.0), (220, 60.0)):
        shown.on_step_end(None, state, None)
    shown.on_log(None, state, None, logs={"loss": 0.5})
    shown.on_log(None, state, None, logs={"eval_loss": 0.3, "eval_accuracy": 0.9, "eval_log_loss": 0.31})
    shown.on_train_end()
    assert [
        "step 220/400, 2.00 steps/s, 2 min left",
        "step 220: held-out accuracy 90.00 %, log loss 0.3100",
    ] == stream.getvalue().splitlines()
