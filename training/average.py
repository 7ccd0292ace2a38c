"""Average the weights of checkpoints of one model: the mean is often better than any of them.

    python -m training.average checkpoints/first checkpoints/second --output checkpoints/mean

A run that continues from another on narrower data improves on that data and gets worse elsewhere. The mean of the two
keeps most of both (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"). ``--shares`` weighs them. It is as
fast to serve as either.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.checkpoint import derived, record
from training.checkpoint.classifier import TorchClassifier, load_checkpoint
from training.checkpoint.output import OutputError, refuse_finished
from training.learning.model import ModelError


def average(
    directories: Sequence[Path],
    output: Path,
    command: str,
    *,
    shares: Sequence[float] | None = None,
    last_held_out: bool = False,
) -> None:
    """Write a checkpoint with the mean of the others' weights, the last one's recipe and held-out rows.

    Args:
        directories: finished checkpoints with the same labels, sizes and held-out rows; at least one.
        output: must not exist.
        command: the user's command line, for the recipe.
        shares: of each checkpoint in the mean, above 0; equal where None. They need not sum to 1.
        last_held_out: whether the others may hold out other rows, or none. They may then have learnt the last one's,
            whose figures are too good.

    Raises:
        ModelError: if a checkpoint is unfinished, they differ in labels, sizes or held-out rows, or the shares do not
            fit.
        OutputError: if the output exists.
    """
    refuse_finished(output)
    classifiers = [load_checkpoint(directory) for directory in directories]
    if shares is not None and (len(shares) != len(directories) or min(shares) <= 0):
        raise ModelError(f"{len(shares)} shares for {len(directories)} checkpoints; give one above 0 for each")
    given = shares or [1.0] * len(directories)
    measured = directories[-1:] if last_held_out else directories
    rows = [derived.held_out_of(directory) for directory in measured]
    recipes = [record.read_recipe(directory) for directory in directories]
    _check_fit(directories, [_form(*pair) for pair in zip(classifiers, recipes, strict=True)])
    for directory, held_out in zip(measured, rows, strict=True):
        if held_out != rows[0]:
            raise ModelError(
                f"{directory} holds out other rows than {directories[0]}, so one was trained on rows that measure the "
                "other; average runs with the same data, held_out and seed, or see --last-held-out"
            )
    mean, *others = classifiers
    states = [other.model.state_dict() for other in others]
    for name, weights in mean.model.state_dict().items():
        if weights.is_floating_point():
            weights.mul_(given[0]).add_(
                sum(share * state[name] for share, state in zip(given[1:], states, strict=True))
            )
            weights.div_(sum(given))
    made_of = ", ".join(map(derived.name_of, recipes))
    derived.write(
        output,
        mean,
        directories[-1],
        rows[0],
        base_model=f"the mean of the weights of {made_of}",
        average_of=recipes,
        command=command,
    )


def _check_fit(directories: Sequence[Path], forms: Sequence[dict[str, Any]]) -> None:
    for directory, form in zip(directories, forms, strict=True):
        for what, value in form.items():
            if value != forms[0][what]:
                raise ModelError(f"{directory} and {directories[0]} have different {what} and cannot be averaged")


def _form(classifier: TorchClassifier, recipe: dict[str, Any]) -> dict[str, Any]:
    shapes = {name: tuple(weights.shape) for name, weights in classifier.model.state_dict().items()}
    return {
        "labels": classifier.labels,
        "weights": shapes,
        "truncation": classifier.truncation,
        "heads and channels left": _prunings(recipe),
    }


def _prunings(recipe: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return when and how a checkpoint and its bases were pruned; equal values mean that the same parts are left."""
    found = []
    while recipe:
        found += [(recipe.get("started_at", ""), recipe.get("command", ""))] * ("pruned_to" in recipe)
        recipe = recipe.get("base_recipe")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if a checkpoint or the output cannot be used."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="python -m training.average", description="Write the checkpoint of the mean weights of others."
    )
    parser.add_argument(
        "checkpoints", type=Path, nargs="+", help="checkpoints of one model; the recipe follows the last one"
    )
    parser.add_argument("--output", type=Path, required=True, help="checkpoint directory; must not exist")
    parser.add_argument("--shares", type=float, nargs="+", help="of each checkpoint in the mean (default: equal)")
    parser.add_argument(
        "--last-held-out",
        action="store_true",
        help="let the others hold out other rows than the last one, or none; figures on its rows are then too good",
    )
    options = parser.parse_args(given)
    command = shlex.join(["python", "-m", "training.average", *given])
    shares, last = options.shares, options.last_held_out
    try:
        average(options.checkpoints, options.output, command, shares=shares, last_held_out=last)
    except (ModelError, OutputError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
