"""The command line: ``python -m training --base-model … --data … --output checkpoints/NAME``.

Owns options and exit codes: 0 when the checkpoint is written, 1 with one line when data, model or output cannot
be used, 2 for a wrong option, 130 after Ctrl-C.
"""

import argparse
import dataclasses
import gc
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args, get_type_hints

from artifact.scores import Problem
from training.checkpoint.output import OutputError
from training.config import HyperParameters
from training.data.sources import HELD_OUT, parse_source
from training.plan import CRITERIA, Criterion, Plan
from training.reading import DataError

_SMOKE_ROWS = 100
_STOPPED = 130  # the exit code of a command that Ctrl-C ended, by the shells' convention
_DATA_HELP = (
    "a .parquet, .csv, .tsv, .jsonl or .json file or a data set on the hub, followed by options after commas: "
    "name=…, text=COLUMN, text_pair=COLUMN, label=COLUMN, confidence=COLUMN with the label's probability (1), split=…, "
    "held_out=ROWS or share kept for validation (0.05), "
    "weight=how often a row is seen per epoch (1), min_words=…, style=treebank for parser output such as "
    "SST-2, encoding=…, separator=… and quotes=none of a text file (docs/data.md); may be repeated"
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Fine-tune a base model on labelled text. The same command continues a run that was stopped.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--base-model", required=True, help="directory, or name on the hub")
    parser.add_argument("--base-model-name", help="its name in the recipe, if --base-model is a directory")
    parser.add_argument("--data", action="append", required=True, metavar="SOURCE", help=_DATA_HELP)
    parser.add_argument(
        "--validation",
        action="append",
        default=[],
        metavar="SOURCE",
        help="rows to hold out, in the form of --data; then --data sources hold out nothing unless they say held_out=…",
    )
    parser.add_argument("--labels", help="label names in order, separated by commas; default: from the data")
    parser.add_argument(
        "--problem",
        choices=get_args(Problem),
        default="single_label",
        help="what the model answers: one label, any number of labels, or a value (docs/heads.md)",
    )
    parser.add_argument("--output", type=Path, required=True, help="checkpoint directory; must not exist")
    parser.add_argument("--name", help="name of the model; default: the name of the output directory")
    parser.add_argument(
        "--save-steps",
        type=int,
        default=200,
        help="steps between saves: as many are repeated at most when a run is stopped",
    )
    parser.add_argument(
        "--evaluations", type=int, default=4, help="how often the held-out rows are scored during the run"
    )
    parser.add_argument(
        "--best-by",
        choices=get_args(Criterion),
        help="held-out figure that decides which weights are kept; default: macro_f1, of a regression pearson",
    )
    parser.add_argument(
        "--patience", type=int, default=0, help="stop after so many evaluations without improvement; 0: never"
    )
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: every core")
    parser.add_argument("--smoke", action="store_true", help="a complete run on 200 texts, in a minute or two")
    group = parser.add_argument_group("hyper-parameters")
    kinds = get_type_hints(HyperParameters)
    for field in dataclasses.fields(HyperParameters):
        kind = kinds[field.name] if kinds[field.name] in (int, float) else str
        group.add_argument(
            "--" + field.name.replace("_", "-"),
            type=kind,
            default=field.default,
            choices=field.metadata["choices"],
            help=field.metadata["help"],
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    _set_environment()
    from rich.console import Console  # noqa: PLC0415 - --help and wrong options must not wait for torch

    from training.learning.model import ModelError  # noqa: PLC0415 - as above
    from training.train import train  # noqa: PLC0415 - as above

    quiet = os.environ.get("RANK", "0") != "0"  # under torchrun, only the first process prints
    try:
        plan = _plan(options, given)
    except (DataError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    try:
        train(plan, Console(quiet=quiet))
    except (DataError, ModelError, OutputError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command continues from the last saved step\n")
        return _STOPPED
    _leave_group()
    return 0


def _leave_group() -> None:
    """Destroy torchrun's process group, after the Trainer has been freed.

    At the end of the process the group's threads may still wait for the interpreter lock to free a tensor. Such a
    process aborts or hangs (https://github.com/pytorch/pytorch/issues/190489). Here the threads are joined without
    the lock. This is not called after an error: waiting for a failed process would keep torchrun from ending both.
    """
    import torch  # noqa: PLC0415 - as above

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gc.collect()  # the Trainer may be part of a reference cycle
        torch.distributed.destroy_process_group()


def _plan(options: argparse.Namespace, given: Sequence[str]) -> Plan:
    names = [field.name for field in dataclasses.fields(HyperParameters)]
    held_out = 0.0 if options.validation else HELD_OUT
    return Plan(
        name=options.name or options.output.name,
        base_model=options.base_model,
        base_model_name=options.base_model_name or _public_name(options.base_model),
        sources=[parse_source(specification, held_out=held_out) for specification in options.data],
        validation=[
            parse_source(specification, split="validation", held_out=0.0) for specification in options.validation
        ],
        labels=[name.strip() for name in options.labels.split(",")] if options.labels else None,
        output=options.output,
        parameters=HyperParameters(**{field: getattr(options, field) for field in names}),
        save_steps=options.save_steps,
        evaluations=options.evaluations,
        best_by=options.best_by or CRITERIA[options.problem][0],
        patience=options.patience,
        threads=options.threads,
        limit=_SMOKE_ROWS if options.smoke else 0,
        problem=options.problem,
        command=shlex.join(["python", "-m", "training", *given]),
    )


def _public_name(base_model: str) -> str:
    """Return a hub name unchanged, and of a directory its last part: the recipe publishes no path of this machine."""
    return Path(base_model).name if Path(base_model).is_dir() else base_model


def _set_environment() -> None:
    """Set the variables that libraries read at import: no telemetry, no spinning threads.

    Waiting threads of GNU OpenMP spin. With other work on the same cores, that made a step of 32 sentences ten
    times slower.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


if __name__ == "__main__":
    sys.exit(main())
