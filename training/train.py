"""The run: sources -> a checkpoint directory, read top to bottom in ``train``.

Owns the order of things, the output directory and the Trainer's arguments. While a run lasts everything stands in
``OUTPUT.partial``; the last act renames it, so that ``OUTPUT`` is either missing or finished. A run that was
killed goes on from the Trainer's last checkpoint there when the same command is given again.
"""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.data import Sampler
from transformers.trainer_utils import get_last_checkpoint

from training import evaluate
from training.config import HyperParameters
from training.data import Corpus, DataError, Example, load_corpus, weighted
from training.model import load_classifier, load_tokenizer, parameter_groups, tokenization_of
from training.sources import Source, sha256_of
from training.tokens import BucketSampler, PaddedBatch, tokenized


class OutputError(Exception):
    """The output directory can not be written; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to train, on what, and where to.

    Attributes:
        name: of the model.
        base_model: directory or hub name to load.
        base_model_name: what the recipe calls it.
        sources: labelled text.
        labels: names in order; None takes them from the data.
        output: the checkpoint directory.
        parameters: how to train.
        save_steps: optimizer steps between two points from which a killed run can go on.
        evaluations: how often the held-out rows are scored during the run.
        threads: of torch; 0 leaves it to torch.
        limit: rows per source at most; 0 takes all.
        command: as the user gave it.
    """

    name: str
    base_model: str
    base_model_name: str
    sources: Sequence[Source]
    labels: Sequence[str] | None
    output: Path
    parameters: HyperParameters
    save_steps: int
    evaluations: int
    threads: int
    limit: int
    command: str


class ClassifierTrainer(transformers.Trainer):
    """transformers' Trainer with batches of equal length and layer-wise learning rates.

    Args:
        parameters: how to train.
        lengths: tokens per training row.
        **arguments: the Trainer's own.
    """

    def __init__(self, parameters: HyperParameters, lengths: Sequence[int], **arguments: object) -> None:
        self._parameters = parameters
        self._lengths = lengths
        super().__init__(**arguments)

    def _get_train_sampler(self, *_: object) -> Sampler[int]:
        return BucketSampler(self._lengths, self._parameters.batch_texts, self._parameters.seed)

    def create_optimizer(self) -> torch.optim.Optimizer:
        """Return AdamW over the model's parameter groups."""
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(parameter_groups(self.model, self._parameters), fused=True)
        return self.optimizer


def train(plan: Plan) -> Path:
    """Train, evaluate on the held-out rows and write the checkpoint; return its directory.

    Raises:
        DataError, ModelError, OutputError: before any time is spent on training.
    """
    started = time.time()
    partial = _open_output(plan.output)
    corpus = _limited(load_corpus(plan.sources, plan.labels, plan.parameters.seed), plan.limit)
    if not corpus.validation:
        raise DataError("no row is held out for validation; set held_out of a source above 0")
    _print_corpus(corpus)
    if plan.threads:
        torch.set_num_threads(plan.threads)
    transformers.set_seed(plan.parameters.seed)
    tokenizer = load_tokenizer(plan.base_model)
    tokenization = tokenization_of(tokenizer, plan.parameters)
    tokenizer.model_max_length = plan.parameters.max_length
    model = load_classifier(plan.base_model, corpus.labels, plan.parameters)
    learning = weighted(corpus.train, plan.sources, plan.parameters.seed)
    rows = tokenized(learning, tokenization, plan.parameters.truncation)
    held_out = tokenized(corpus.validation, tokenization, plan.parameters.truncation)
    trainer = ClassifierTrainer(
        plan.parameters,
        [len(ids) for ids in rows["input_ids"]],
        model=model,
        args=_arguments(plan, partial, len(rows)),
        data_collator=PaddedBatch(tokenizer.pad_token_id),
        train_dataset=rows,
        eval_dataset=held_out,
        compute_metrics=lambda outcome: evaluate.figures(outcome.predictions, outcome.label_ids),
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(partial / "trainer")))
    logits = evaluate.predict(
        model,
        tokenization,
        plan.parameters.truncation,
        corpus.validation,
        precision=plan.parameters.precision,
    )
    if trainer.is_world_process_zero():
        tokenizer.save_pretrained(partial)
        model.save_pretrained(partial)
        _write_validation(partial / "validation.parquet", corpus.validation)
        measured = evaluate.evaluations(
            logits, corpus.validation, "held out of train", measured_on="torch, this checkpoint"
        )
        metrics = {"schema_version": 1, "evaluations": measured, "history": trainer.state.log_history}
        evaluate.write_json(partial / "metrics.json", metrics)
        evaluate.write_json(partial / "recipe.json", _recipe(plan, corpus, trainer, started))
        _close_output(partial, plan.output)
        _print_summary(measured, plan.output)
    return plan.output


def _open_output(output: Path) -> Path:
    if output.exists():
        raise OutputError(f"{output} exists and is not overwritten; choose another --output or remove it")
    partial = output.with_name(output.name + ".partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{partial} can not be made: {error.strerror}") from error
    return partial


def _close_output(partial: Path, output: Path) -> None:
    shutil.rmtree(partial / "trainer")
    partial.rename(output)


def _limited(corpus: Corpus, limit: int) -> Corpus:
    if limit:
        corpus.train = _spread(corpus.train, limit)
        corpus.validation = _spread(corpus.validation, limit)
    return corpus


def _spread(examples: list[Example], limit: int) -> list[Example]:
    return examples[:: max(1, len(examples) // limit)][:limit]


def _arguments(plan: Plan, partial: Path, rows: int) -> transformers.TrainingArguments:
    parameters = plan.parameters
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    steps = max(1, int(rows * parameters.epochs / parameters.batch_texts / processes))
    return transformers.TrainingArguments(
        output_dir=str(partial / "trainer"),
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
        use_cpu=not torch.cuda.is_available(),
        seed=parameters.seed,
        data_seed=parameters.seed,
        save_steps=plan.save_steps,
        save_total_limit=2,
        eval_strategy="steps" if plan.evaluations else "no",
        eval_steps=max(1, steps // max(1, plan.evaluations)),
        logging_steps=max(1, min(25, steps // 20)),
        report_to=[],
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
    )


def _recipe(plan: Plan, corpus: Corpus, trainer: ClassifierTrainer, started: float) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": plan.name,
        "base_model": plan.base_model_name,
        "labels": corpus.labels,
        "max_length": plan.parameters.max_length,
        "truncation": plan.parameters.truncation,
        "head_tokens": plan.parameters.head_tokens,
        "seed": plan.parameters.seed,
        "hyper_parameters": asdict(plan.parameters),
        "steps": trainer.state.global_step,
        "data": [_data_entry(source, corpus) for source in plan.sources],
        "duplicates_left_out": corpus.duplicates,
        "nested_left_out": corpus.nested,
        "command": plan.command,
        "source_commit": source_commit(),
        "started_at": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "duration_s": round(time.time() - started, 1),
        "hardware": hardware(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }


def _data_entry(source: Source, corpus: Corpus) -> dict[str, Any]:
    counts = {
        "rows": corpus.rows[source.name],
        "rows_train": sum(example.source == source.name for example in corpus.train),
        "rows_validation": sum(example.source == source.name for example in corpus.validation),
    }
    options = {key: value for key, value in asdict(source).items() if key not in {"location", "held_out"}}
    return {**options, **counts, "sha256": sha256_of(source)}


def _write_validation(path: Path, examples: Sequence[Example]) -> None:
    import pyarrow  # noqa: PLC0415 - needed once, at the end
    from pyarrow import parquet  # noqa: PLC0415 - as above

    columns = {
        "text": [example.text for example in examples],
        "label": [example.label for example in examples],
        "source": [example.source for example in examples],
    }
    parquet.write_table(pyarrow.table(columns), path)


def source_commit() -> str:
    """Return the commit of the code, with ``-dirty`` if the training code was changed since."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("-dirty" if changed else "")


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def hardware() -> str:
    """Return what computed, in words: the GPU's name or the processor's and its cores."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = next(iter(names), name)
    return f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def _print_corpus(corpus: Corpus) -> None:
    counts = ", ".join(f"{name} {rows} rows" for name, rows in corpus.rows.items())
    _say(f"{counts}; labels {', '.join(corpus.labels)}")
    _say(
        f"{len(corpus.train)} to learn from, {len(corpus.validation)} held out; left out: {corpus.duplicates} "
        f"exact duplicates ({corpus.conflicts} with another label), {corpus.nested} that share a passage with a "
        "held-out row"
    )


def _print_summary(measured: Sequence[dict[str, Any]], output: Path) -> None:
    for entry in measured:
        _say(
            f"{entry['dataset']} ({entry['split']}, {entry['n']}): accuracy {entry['accuracy']:.4f}, "
            f"macro F1 {entry['macro_f1']:.4f}, calibration error {entry['expected_calibration_error']:.4f}"
        )
    _say(f"checkpoint: {output}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
