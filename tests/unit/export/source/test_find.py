"""A name becomes one directory: of a model, of a trainer's best checkpoint, or a refusal in one line."""

import json
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")
from export.errors import ExportError
from export.source.find import find

pytestmark = pytest.mark.development


def _trainer_output(directory: Path, best: str | None) -> Path:
    for step in (20, 100, 60):
        folder = directory / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        state = {"best_model_checkpoint": best and f"/elsewhere/out/{best}", "global_step": step}
        (folder / "trainer_state.json").write_text(json.dumps(state))
    return directory


def test_a_directory_of_a_model_is_used_as_it_is(tmp_path: Path) -> None:
    """Its name is that of the folder, and nothing needs to be said."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    found = find(tmp_path / "mine")
    assert (tmp_path / "mine", "mine", "") == (found.directory, found.name, found.note)


@pytest.mark.parametrize(
    ("best", "chosen", "words"),
    [
        ("checkpoint-60", "checkpoint-60", "the best one"),
        (None, "checkpoint-100", "the last one"),
        ("checkpoint-40", "checkpoint-100", "the last one"),
    ],
)
def test_of_a_trainers_output_the_best_checkpoint_counts(
    tmp_path: Path, best: str | None, chosen: str, words: str
) -> None:
    """As the last state names it, wherever it was trained; else the last one, and the user is told."""
    found = find(_trainer_output(tmp_path / "out", best))
    assert (tmp_path / "out" / chosen, "out") == (found.directory, found.name)
    assert words in found.note


def test_a_model_beside_checkpoints_is_the_one(tmp_path: Path) -> None:
    """``save_model`` after training writes the model that the trainer ended with."""
    directory = _trainer_output(tmp_path / "out", "checkpoint-60")
    (directory / "config.json").write_text("{}")
    assert directory == find(directory).directory


def test_a_revision_of_a_directory_is_refused(tmp_path: Path) -> None:
    """Only the hub has revisions."""
    with pytest.raises(ExportError, match="--revision main is for a name on the hub"):
        find(tmp_path, "main")


@pytest.mark.parametrize("name", ["/no/such/place", "a/b/c", "a b", "./x/y"])
def test_a_place_that_does_not_exist_is_no_name_on_the_hub(name: str) -> None:
    """A path with other characters never reaches the network."""
    with pytest.raises(ExportError, match="does not exist"):
        find(name)


def test_a_file_is_refused(tmp_path: Path) -> None:
    """A checkpoint is a directory."""
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ExportError, match="is a file"):
        find(tmp_path / "model.safetensors")
