"""A killed run is continued and ends with the same weights."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.integration.training.conftest import command_line
from training.__main__ import main
from training.learning.trainer import RecordTime

pytestmark = pytest.mark.development


class _KilledError(Exception):
    """Stands for SIGKILL: no code of the run catches it."""


def _kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    def on_save(self: RecordTime, args: object, state: object, control: object, **_: object) -> None:
        if state.global_step >= step:
            raise _KilledError

    monkeypatch.setattr(RecordTime, "on_save", on_save)


@pytest.fixture(scope="module")
def unbroken(base: Path, rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run that nothing stopped."""
    output = tmp_path_factory.mktemp("unbroken") / "out"
    assert 0 == main(command_line(base, rows, output))
    return output


@pytest.mark.parametrize("step", [6, 24, 36])
def test_resumed_run_ends_with_the_same_weights(
    arguments: list[str], unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """After a kill in the first epoch, the second or after the last evaluation, the weights are bit-identical."""
    with monkeypatch.context() as patch:
        _kill_at(patch, step)
        with pytest.raises(_KilledError):
            main(arguments)
    assert not (tmp_path / "out").exists()
    assert 0 == main(arguments)
    for name in ("model.safetensors", "validation.parquet", "tokenizer.json"):
        assert (tmp_path / "out" / name).read_bytes() == (unbroken / name).read_bytes()
    assert not (tmp_path / "out.partial").exists()


def test_another_command_does_not_go_on(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run with other settings is neither continued nor deleted."""
    with monkeypatch.context() as patch:
        _kill_at(patch, 6)
        with pytest.raises(_KilledError):
            main(arguments)
    assert 1 == main([*arguments, "--seed", "99"])
    assert "holds a run with other data or settings" in capsys.readouterr().err
    assert (tmp_path / "out.partial").exists()
