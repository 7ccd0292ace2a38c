"""The Trainer of transformers, with our batches and optimizer.

Owns its arguments, its sampler, and the callbacks that keep the best weights and stop early. The loop is the
Trainer's, so ``torchrun`` and ``accelerate launch`` distribute a run over processes without code of ours.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from torch.utils.data import Sampler
from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from training.config import HyperParameters
from training.learning.model import parameter_groups
from training.learning.tokens import BucketSampler
from training.plan import Criterion, Plan

_LOGS_PER_RUN: Final = 100  # points of the learning curve
_GPU_LOADERS: Final = 4  # processes that pad batches: a GPU finishes a batch of a small model in milliseconds


class ClassifierTrainer(transformers.Trainer):  # type: ignore[misc]  # transformers is not followed
    """The Trainer, with batches of similar length and a learning rate per layer.

    Args:
        parameters: how to train.
        lengths: tokens per training row.
        **arguments: arguments of the Trainer.
    """

    optimizer: torch.optim.Optimizer | None

    def __init__(self, parameters: HyperParameters, lengths: Sequence[int], **arguments: Any) -> None:  # noqa: ANN401 - the Trainer's
        self._parameters = parameters
        self._lengths = lengths
        super().__init__(**arguments)

    def _get_train_sampler(self, *_: object) -> Sampler[int]:
        return BucketSampler(self._lengths, self._parameters.batch_texts, self._parameters.seed)

    def _sorted_checkpoints(self, *arguments: Any, use_mtime: bool = False, **more: Any) -> list[str]:  # noqa: ANN401 - the Trainer's
        # Sorted by number: sorted by time, the Trainer warns when two checkpoints are less than a second apart.
        return list(super()._sorted_checkpoints(*arguments, use_mtime=False, **more))

    def create_optimizer(self) -> torch.optim.Optimizer:
        """Return AdamW over the model's parameter groups."""
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(parameter_groups(self.model, self._parameters), fused=True)
        return self.optimizer


class KeepBest(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is not followed
    """Keeps the weights with the best held-out figure, and stops the run when it no longer improves.

    The Trainer's own method keeps whole checkpoints and saves only when it evaluates. Here a long run can save
    often, to repeat little after a kill, and evaluate seldom. Figures are stored by step, so a resumed run that
    measures a step again makes the same decisions.

    Args:
        directory: for the best weights.
        best_by: the figure; between equal ones the lower log loss decides.
        patience: the run stops after so many evaluations without improvement; 0: never.
        after: share of the steps that is ignored at the start: with rounding in the last steps, earlier weights
            have not learnt under it.
    """

    def __init__(self, directory: Path, best_by: Criterion, patience: int, after: float = 0.0) -> None:
        self._directory = directory
        self._file = directory.with_suffix(".json")
        self._best_by = best_by
        self._patience = patience
        self._after = after
        self._scores: dict[int, tuple[float, float]] = {}

    @property
    def best_step(self) -> int | None:
        """Step of the optimizer with the best weights; None before the first evaluation."""
        return max(self._scores, key=lambda step: (*self._scores[step], -step), default=None)

    def on_train_begin(self, *_: object, **__: object) -> None:
        """Load the figures that were measured before the run was killed."""
        if self._file.exists():
            found = json.loads(self._file.read_text())
            self._scores = {int(step): (score, tie) for step, (score, tie) in found.items()}

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: transformers.PreTrainedModel,
        metrics: dict[str, float],
        **_: object,
    ) -> None:
        """Compare with the best so far; figures of later steps are from a run that was killed, and are dropped."""
        if state.global_step <= self._after * state.max_steps:
            return
        value, loss = metrics[f"eval_{self._best_by}"], metrics["eval_log_loss"]
        earlier = {step: score for step, score in self._scores.items() if step < state.global_step}
        score = -loss if self._best_by == "log_loss" else value
        self._scores = earlier | {state.global_step: (score, -loss)}
        if state.is_world_process_zero:
            if self.best_step == state.global_step:
                model.save_pretrained(self._directory)
            beside = self._file.with_suffix(".new")
            beside.write_text(json.dumps(self._scores))
            beside.replace(self._file)
        stale = sum(step > (self.best_step or 0) for step in self._scores)
        if self._patience and stale >= self._patience:
            control.should_training_stop = True

    def load_into(self, model: transformers.PreTrainedModel) -> None:
        """Load the best weights into the model, if any were kept."""
        if self.best_step is not None:
            model.load_state_dict(type(model).from_pretrained(self._directory).state_dict())


class RecordTime(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is not followed
    """Records the duration of the run with every checkpoint of the Trainer.

    Args:
        record_time: called after each save.
    """

    def __init__(self, record_time: Callable[[], None]) -> None:
        self._record_time = record_time

    def on_save(self, args: TrainingArguments, state: TrainerState, *_: object, **__: object) -> None:
        """Record the duration."""
        if state.is_world_process_zero:
            self._record_time()


def last_checkpoint(directory: Path) -> str | None:
    """Return the newest complete Trainer checkpoint, or None; delete checkpoints that a kill left incomplete.

    The Trainer writes ``trainer_state.json`` last.
    """
    found = sorted(directory.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    while found:
        try:
            json.loads((found[-1] / TRAINER_STATE_NAME).read_text())
        except (OSError, ValueError):
            shutil.rmtree(found.pop(), ignore_errors=True)
        else:
            return str(found[-1])
    return None


def training_arguments(plan: Plan, directory: Path, rows: int) -> TrainingArguments:
    """Return the Trainer's arguments.

    Args:
        plan: of the run.
        directory: for the Trainer's checkpoints.
        rows: training rows per epoch.
    """
    parameters = plan.parameters
    gpu = torch.cuda.is_available()
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    steps = max(1, int(rows * parameters.epochs / parameters.batch_texts / processes))
    return TrainingArguments(
        output_dir=str(directory),
        num_train_epochs=parameters.epochs,
        per_device_train_batch_size=parameters.batch_texts,
        per_device_eval_batch_size=parameters.batch_texts,
        learning_rate=parameters.peak_learning_rate,
        lr_scheduler_type="linear",
        warmup_ratio=parameters.warm_up_ratio,
        weight_decay=parameters.weight_decay,
        max_grad_norm=parameters.max_gradient_norm,
        label_smoothing_factor=parameters.label_smoothing,
        bf16=parameters.precision == "bf16",
        use_cpu=not gpu,
        ddp_backend="gloo" if processes > 1 and not gpu else None,
        ddp_find_unused_parameters=False,
        seed=parameters.seed,
        data_seed=parameters.seed,
        save_steps=plan.save_steps,
        save_total_limit=2,
        eval_strategy="steps" if plan.evaluations else "no",
        eval_steps=max(1, steps // max(1, plan.evaluations)),
        logging_steps=max(1, steps // _LOGS_PER_RUN),
        disable_tqdm=True,
        report_to=[],
        dataloader_pin_memory=gpu,
        dataloader_num_workers=_GPU_LOADERS if gpu else 0,
    )
