"""Make a checkpoint smaller: remove the least important attention heads and feed-forward channels.

    python -m training.prune checkpoints/first --data imdb/train.parquet --heads 8 --channels 1024 \
        --output checkpoints/small

The importance of a part is how much the loss of labelled texts would change without it, to the first order: the sum of
its activations times their gradients (Michel et al. 2019, "Are Sixteen Heads Really Better than One?"; Molchanov et al.
2019, "Importance Estimation for Neural Network Pruning"). Every layer keeps the same number of heads and channels. The
result is an ordinary checkpoint with smaller matrices. It is worse than before until it is trained again:
``python -m training --base-model checkpoints/small``.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers.pytorch_utils import prune_linear_layer

from training.checkpoint import derived, record
from training.checkpoint.classifier import TorchClassifier, batches, forward, load_checkpoint
from training.checkpoint.output import OutputError, refuse_finished
from training.data.sources import parse_source
from training.data.targets import Example
from training.data.training_data import read_examples, spread
from training.learning.model import ModelError
from training.reading import DataError


class Form(NamedTuple):
    """Names of an architecture's parts: its layers, modules in a layer, and a field of the configuration."""

    layers: str
    attended: str
    widened: str
    narrowed: str
    channels: str


_BERT: Final = Form(
    "encoder.layer", "attention.output.dense", "intermediate.dense", "output.dense", "intermediate_size"
)
_FORMS: Final = {
    "bert": _BERT,
    "roberta": _BERT,
    "distilbert": Form("transformer.layer", "attention.out_lin", "ffn.lin1", "ffn.lin2", "hidden_dim"),
}


def form_of(model: transformers.PreTrainedModel) -> Form:
    """Return the names of the model's parts.

    Raises:
        ModelError: if the architecture is not supported.
    """
    kind = model.config.model_type
    if kind not in _FORMS:
        raise ModelError(f"a model of type {kind!r} cannot be pruned; {', '.join(_FORMS)} can")
    return _FORMS[kind]


def prune(classifier: TorchClassifier, examples: Sequence[Example], heads: int, channels: int) -> None:
    """Keep ``heads`` attention heads and ``channels`` feed-forward channels in every layer of the model.

    Args:
        classifier: its model is changed.
        examples: labelled texts that decide the importance.
        heads: to keep per layer.
        channels: to keep per layer.

    Raises:
        DataError: if there are no examples.
        ModelError: if a layer has fewer heads or channels, or the architecture is not supported.
    """
    if not examples:
        raise DataError("no labelled text is left: every row of --data is a held-out row of the checkpoint")
    model = classifier.model
    form = form_of(model)
    layers = list(model.base_model.get_submodule(form.layers))
    size = model.config.hidden_size // model.config.num_attention_heads
    attended = [layer.get_submodule(form.attended) for layer in layers]
    narrowed = [layer.get_submodule(form.narrowed) for layer in layers]
    _check_count("heads", heads, min(module.in_features for module in attended) // size)
    _check_count("feed-forward channels", channels, narrowed[0].in_features)
    by_head, by_channel = _importances(classifier, examples, attended, narrowed, size)
    earlier = model.config.pruned_heads
    doomed = {}
    for index, scores in enumerate(by_head):
        present = [head for head in range(model.config.num_attention_heads) if head not in earlier.get(index, ())]
        doomed[index] = [present[place] for place in scores.argsort()[: len(present) - heads]]
    model.prune_heads(doomed)
    for layer, scores in zip(layers, by_channel, strict=True):
        kept = scores.topk(channels).indices.sort().values
        for name, dimension in ((form.widened, 0), (form.narrowed, 1)):
            parent, _, child = name.rpartition(".")
            setattr(layer.get_submodule(parent), child, prune_linear_layer(layer.get_submodule(name), kept, dimension))
    setattr(model.config, form.channels, channels)


def _check_count(what: str, wanted: int, present: int) -> None:
    if not 1 <= wanted <= present:
        raise ModelError(f"{wanted} {what} cannot be kept per layer, which has {present}; give 1 to {present}")


def _importances(
    classifier: TorchClassifier,
    examples: Sequence[Example],
    attended: Sequence[torch.nn.Linear],
    narrowed: Sequence[torch.nn.Linear],
    head_size: int,
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the importances: of the heads, (heads,) float32 per layer, and of the channels, (channels,) float32."""
    classifier.model.eval()
    seen: dict[torch.nn.Module, torch.Tensor] = {}
    hooks = [module.register_forward_pre_hook(_recorder(seen)) for module in (*attended, *narrowed)]
    by_head = [torch.zeros(module.in_features // head_size) for module in attended]
    by_channel = [torch.zeros(module.in_features) for module in narrowed]
    for _, batch in batches(classifier, examples):
        labels = batch.pop("labels")
        loss = cross_entropy(forward(classifier, batch), labels, reduction="sum")
        torch.autograd.backward([loss])
        for scores, module in zip(by_head, attended, strict=True):
            effect = _effect(seen[module])
            by_row = effect.reshape(len(effect), -1, head_size).sum(dim=2)
            scores.add_(by_row.abs().sum(dim=0).cpu())
        for scores, module in zip(by_channel, narrowed, strict=True):
            scores.add_(_effect(seen[module]).abs().sum(dim=0).cpu())
        classifier.model.zero_grad()
    for hook in hooks:
        hook.remove()
    return by_head, by_channel


def _recorder(seen: dict[torch.nn.Module, torch.Tensor]) -> Callable[[torch.nn.Module, tuple[Any, ...]], None]:
    """Return a hook that keeps the input of a module and its gradient."""

    def record_input(module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        given[0].retain_grad()
        seen[module] = given[0]

    return record_input


def _effect(values: torch.Tensor) -> torch.Tensor:
    """Return values times their gradients, summed over tokens: (texts, features) float32."""
    if values.grad is None:
        raise RuntimeError("the loss does not depend on a layer's input. This is a bug.")
    return (values.detach().float() * values.grad.float()).sum(dim=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if data, checkpoint or output cannot be used."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        refuse_finished(options.output)
        classifier = load_checkpoint(options.checkpoint)
        held_out = derived.held_out_of(options.checkpoint)
        known = {example.text for example in held_out}
        sources = [read_examples(parse_source(source), classifier.labels) for source in options.data]
        learnt = [[example for example in rows if example.text not in known] for rows in sources]
        judging = [row for rows in learnt for row in (spread(rows, options.limit) if options.limit else rows)]
        prune(classifier, judging, options.heads, options.channels)
        earlier = derived.name_of(record.read_recipe(options.checkpoint))
        base = f"{earlier}, pruned to {_counted(options)} per layer"
        command = shlex.join(["python", "-m", "training.prune", *given])
        kept = {"heads": options.heads, "channels": options.channels}
        derived.write(
            options.output, classifier, options.checkpoint, held_out, base_model=base, command=command, pruned_to=kept
        )
    except (DataError, ModelError, OutputError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _counted(options: argparse.Namespace) -> str:
    heads, channels = int(options.heads), int(options.channels)
    return f"{heads} attention head{'s' * (heads > 1)} and {channels:,} feed-forward channel{'s' * (channels > 1)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.prune",
        description="Remove the attention heads and feed-forward channels that are least important for labelled texts.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="directory that training wrote")
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="SOURCE",
        help="labelled texts that decide the importance, as for python -m training; held-out rows are skipped",
    )
    parser.add_argument("--heads", type=int, required=True, help="attention heads to keep per layer")
    parser.add_argument("--channels", type=int, required=True, help="feed-forward channels to keep per layer")
    parser.add_argument("--limit", type=int, default=2000, help="maximum rows of each source, evenly spread; 0: all")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: torch decides")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint directory; must not exist")
    return parser


if __name__ == "__main__":
    sys.exit(main())
