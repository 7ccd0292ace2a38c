"""A training run: sources -> a checkpoint directory. ``train`` reads from top to bottom.

Owns the order of the steps. The same command continues a run that was killed, from its last saved step.
"""

from functools import partial
from typing import Any

import torch
import transformers
from rich.console import Console
from transformers.trainer_callback import PrinterCallback

from artifact.scores import Problem
from training.checkpoint import metrics, record
from training.checkpoint.classifier import TorchClassifier, predict
from training.checkpoint.output import Output, refuse_finished
from training.data.training_data import TrainingData, load_training_data, spread, weighted
from training.learning.loss import Loss, balanced_weights, soft_targets
from training.learning.model import has_token_types, load_classifier, load_tokenizer, tokenization_of
from training.learning.progress import ShowProgress
from training.learning.quantization import RoundLastSteps
from training.learning.tokens import PaddedBatch, tokenized
from training.learning.trainer import ClassifierTrainer, KeepBest, RecordTime, last_checkpoint, training_arguments
from training.plan import Plan
from training.report.page import write_report


def train(plan: Plan, console: Console) -> None:
    """Train, measure on the held-out rows and write the checkpoint.

    Raises:
        DataError, ModelError, OutputError: if data, model or output cannot be used; before any training step.
    """
    refuse_finished(plan.output)
    data = _load(plan)
    _print_data(data, console)
    tokenizer, classifier = _classifier(plan, data.labels)
    output = Output(plan.output, plan.fingerprint(), record.first_state())
    rounded = plan.parameters.quantization_aware
    best = KeepBest(output.scratch / "best", plan.best_by, plan.patience, after=1 - rounded if rounded else 0.0)
    rounding = RoundLastSteps(rounded)
    callbacks = [best, rounding, RecordTime(output.record_time), ShowProgress(console)]
    trainer = _trainer(plan, data, classifier, output, callbacks)
    trainer.train(resume_from_checkpoint=last_checkpoint(output.scratch))
    if not trainer.is_world_process_zero():
        return
    best.load_into(classifier.model)
    outcome = {
        "steps": trainer.state.global_step,
        "best_step": best.best_step,
        "duration_s": round(output.elapsed_s, 1),
    }
    recipe = record.recipe(plan, data, output.state, **outcome)
    classifier.model.save_pretrained(output.partial)
    tokenizer.save_pretrained(output.partial)
    metrics.write_json(output.partial / record.RECIPE, recipe)
    record.write_validation(output.partial / record.VALIDATION, data.validation)
    logits = predict(classifier, data.validation)
    measured = metrics.evaluations(
        logits, data.validation, "held out of train", problem=plan.problem, measured_on="torch"
    )
    document = {"schema_version": 1, "evaluations": measured, "history": trainer.state.log_history}
    metrics.write_json(output.partial / record.METRICS, document)
    write_report(output.partial / "report", classifier, data.validation, logits, metrics=document, recipe=recipe)
    output.finish()
    _print_summary(measured, plan, console)


def _load(plan: Plan) -> TrainingData:
    data = load_training_data(plan.sources, plan.labels, plan.parameters.seed, plan.validation, plan.problem)
    if plan.limit:
        data.train = spread(data.train, plan.limit)
        data.validation = spread(data.validation, plan.limit)
    return data


def _classifier(plan: Plan, labels: list[str]) -> tuple[transformers.PreTrainedTokenizerFast, TorchClassifier]:
    parameters = plan.parameters
    if plan.threads:
        torch.set_num_threads(plan.threads)
    transformers.set_seed(parameters.seed)  # for the weights of the new classifier
    tokenizer = load_tokenizer(plan.base_model)
    tokenizer.model_max_length = parameters.max_length
    tokenization = tokenization_of(tokenizer, parameters, pairs=plan.pairs)
    model = load_classifier(plan.base_model, labels, parameters, plan.problem)
    model.config.pad_token_id = tokenizer.pad_token_id
    truncation = "head" if plan.pairs else parameters.truncation
    return tokenizer, TorchClassifier(model, tokenization, truncation, parameters.precision)


def _trainer(
    plan: Plan,
    data: TrainingData,
    classifier: TorchClassifier,
    output: Output,
    callbacks: list[transformers.TrainerCallback],
) -> ClassifierTrainer:
    learning = weighted(data.train, plan.sources, plan.parameters.seed)
    count = len(data.labels)
    rows = tokenized(learning, classifier.tokenization, classifier.truncation, count)
    lengths = [len(ids) for ids in rows["input_ids"]]
    balanced = plan.parameters.label_weights == "balanced"
    weights = balanced_weights(rows["labels"], len(data.labels)) if balanced else None
    soft = any(example.confidence < 1 for example in learning)
    if soft:
        targets = soft_targets(learning, len(data.labels))
        rows = rows.remove_columns("labels").add_column("labels", targets)
    trainer = ClassifierTrainer(
        plan.parameters,
        lengths,
        model=classifier.model,
        args=training_arguments(plan, output.scratch, len(rows)),
        data_collator=PaddedBatch(classifier.model.config.pad_token_id, token_types=has_token_types(classifier.model)),
        train_dataset=rows,
        eval_dataset=tokenized(data.validation, classifier.tokenization, classifier.truncation, count),
        compute_loss_func=Loss(weights, plan.parameters.label_smoothing) if balanced or soft else None,
        compute_metrics=partial(_compute_metrics, plan.problem),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _compute_metrics(problem: Problem, outcome: transformers.EvalPrediction) -> dict[str, float]:
    return metrics.figures(outcome.predictions, outcome.label_ids, problem)


def _print_data(data: TrainingData, console: Console) -> None:
    counts = ", ".join(f"{name} {rows} rows" for name, rows in data.rows.items())
    _print(console, f"{counts}; labels {', '.join(data.labels)}")
    for mapping in data.mappings:
        _print(console, mapping)
    _print(
        console,
        f"{len(data.train)} training rows, {len(data.validation)} held out; left out: "
        f"{data.duplicates} exact duplicates ({data.conflicts} of them with another label), "
        f"{data.nested} that share a passage with a held-out row and {data.short} shorter than min_words",
    )
    if data.unmeasured:
        rare = ", ".join(f"{name} ({rows})" for name, rows in data.unmeasured.items())
        _print(
            console,
            f"warning: too few rows to hold one out of {rare}; the held-out figures say nothing about these labels: "
            "give more rows of them, or --validation",
        )


def _print_summary(measured: list[dict[str, Any]], plan: Plan, console: Console) -> None:
    for entry in measured:
        _print(console, metrics.describe(entry))
    _print(console, f"checkpoint: {plan.output}, report: {plan.output / 'report' / 'index.html'}")


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True, markup=False)
