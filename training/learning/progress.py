"""The progress of a run: loss, speed, time left.

A terminal shows a bar, a log gets a line per minute. Replaces the Trainer's callbacks, which print dictionaries
between two nested bars.
"""

import sys
import time
from collections.abc import Callable
from typing import Final

import transformers
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerControl, TrainerState, TrainingArguments

from artifact.figures import MAIN, NAMES

_LOG_EVERY_S: Final = 60.0


class ShowProgress(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is not followed
    """Shows the progress of a run.

    Args:
        console: a bar is shown if it is a terminal, else lines.
        clock: monotonic seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._bar = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("{task.fields[loss]}"),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=1, loss="", speed="")
        self._first = (0, 0.0)
        self._last_line = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Start at the step where the run starts; a resumed run does not start at 0."""
        self._first = (state.global_step, self._clock())
        self._last_line = self._clock()
        self._bar.update(self._task, total=state.max_steps, completed=state.global_step)
        self._bar.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Move the bar; in a log, write a line once a minute."""
        speed = self._speed(state)
        self._bar.update(self._task, completed=state.global_step, speed=f"{speed:.2f} steps/s")
        if not self._console.is_terminal and self._clock() - self._last_line >= _LOG_EVERY_S:
            self._last_line = self._clock()
            left_min = (state.max_steps - state.global_step) / max(speed, 1e-9) / 60
            self._line(f"step {state.global_step}/{state.max_steps}, {speed:.2f} steps/s, {left_min:.0f} min left")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        logs: dict[str, float],
        **_: object,
    ) -> None:
        """Show the loss, and a line for every evaluation."""
        if "loss" in logs:
            self._bar.update(self._task, loss=f"loss {logs['loss']:.3f}")
        if "eval_loss" in logs:
            name = next(name for name in MAIN.values() if f"eval_{name}" in logs)
            value, loss = 100 * logs[f"eval_{name}"], logs["eval_log_loss"]
            self._line(f"step {state.global_step}: held-out {NAMES[name]} {value:.2f} %, log loss {loss:.4f}")

    def on_train_end(self, *_: object, **__: object) -> None:
        """Remove the bar from the terminal."""
        self._bar.stop()

    def _speed(self, state: TrainerState) -> float:
        step, moment = self._first
        steps: int = state.global_step - step
        return steps / max(self._clock() - moment, 1e-9)

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)
        sys.stdout.flush()
