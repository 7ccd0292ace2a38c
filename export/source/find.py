"""Find: the name that a user gives becomes a directory with one model in it.

A directory is used as it is. In the output directory of a transformers ``Trainer`` the best checkpoint counts, as its
``trainer_state.json`` names it. Any other name is one of a model on the Hugging Face hub.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from export.errors import ExportError
from export.source.hub import download

_HUB_NAME: Final = re.compile(r"[\w.-]+(/[\w.-]+)?")
_STEP: Final = re.compile(r"checkpoint-(\d+)")
_MODEL_FILES: Final = ("config.json", "adapter_config.json")


@dataclass(frozen=True)
class Source:
    """A directory that holds one model.

    Attributes:
        directory: of the model.
        name: short, for the manifest.
        origin: name and commit on the hub; empty for a directory.
        note: one line for the user; empty where nothing had to be decided.
    """

    directory: Path
    name: str
    origin: str = ""
    note: str = ""


def find(checkpoint: str | Path, revision: str | None = None) -> Source:
    """Return the directory of a model; download it where the name is one of the hub.

    Args:
        checkpoint: a directory, or a name such as ``distilbert-base-uncased-finetuned-sst-2-english``.
        revision: branch, tag or commit on the hub; its main branch where None.

    Raises:
        ExportError: if there is no such directory or model, or a revision is named for a directory.
    """
    path = Path(checkpoint)
    if path.exists():
        if revision is not None:
            raise ExportError(f"--revision {revision} is for a name on the hub, and {path} is a directory")
        return _in_directory(path)
    if not _HUB_NAME.fullmatch(str(checkpoint)):
        raise ExportError(f"{checkpoint} does not exist, and it is no name of a model on the hub (owner/name)")
    directory, commit, note = download(str(checkpoint), revision)
    return Source(directory, str(checkpoint).rpartition("/")[2], f"{checkpoint}@{commit[:12]}", note)


def _in_directory(path: Path) -> Source:
    if not path.is_dir():
        raise ExportError(f"{path} is a file; name the directory of a checkpoint")
    steps = sorted((int(match[1]), child) for child in path.iterdir() if (match := _STEP.fullmatch(child.name)))
    if any((path / name).is_file() for name in _MODEL_FILES) or not steps:
        return Source(path, path.resolve().name)
    best = _best(path, steps[-1][1])
    chosen = best or steps[-1][1]
    why = "the best one by trainer_state.json" if best else "the last one; trainer_state.json names no best one"
    return Source(chosen, path.resolve().name, note=f"{path} holds {len(steps)} checkpoints; {chosen.name} is {why}")


def _best(directory: Path, last: Path) -> Path | None:
    """Return the checkpoint that the last one's state calls the best, if it is still there."""
    try:
        state = json.loads((last / "trainer_state.json").read_bytes())
        named = Path(str(state["best_model_checkpoint"])).name
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return directory / named if _STEP.fullmatch(named) and (directory / named).is_dir() else None
