"""The checkpoint directory during a run: it is either missing or complete.

A run writes into ``OUTPUT.partial`` and renames it at the end. Knows paths and the state of a run, nothing of models.
"""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, Final

_STATE: Final = "run.json"
_SCRATCH: Final = "scratch"


class OutputError(Exception):
    """The output directory cannot be written; the message says why and what to do."""


def refuse_finished(directory: Path) -> None:
    """Raise OutputError if the checkpoint exists; called before data is read."""
    if directory.exists():
        raise OutputError(f"{directory} exists and is not overwritten; choose another --output or remove it")


class Output:
    """A checkpoint directory that is being written.

    Args:
        directory: the finished checkpoint.
        fingerprint: of the run; a partial directory must be from a run with the same fingerprint.
        first_state: facts of the run's first start, kept when it is resumed, such as the commit.

    Raises:
        OutputError: if the checkpoint exists, the partial directory is from another run, or cannot be written.
    """

    def __init__(self, directory: Path, fingerprint: str, first_state: dict[str, Any]) -> None:
        refuse_finished(directory)
        self._directory = directory
        self.partial = directory.with_name(directory.name + ".partial")
        self.scratch = self.partial / _SCRATCH
        self._begun = time.monotonic()
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.partial} cannot be created: {error.strerror}") from error
        self.state = self._resume(fingerprint) or {"fingerprint": fingerprint, "elapsed_s": 0.0, **first_state}
        self._earlier_s = self.state["elapsed_s"]
        self.record_time()

    @property
    def elapsed_s(self) -> float:
        """Seconds that the run has taken, including earlier starts up to their last checkpoint."""
        return float(self._earlier_s + time.monotonic() - self._begun)

    def record_time(self) -> None:
        """Store the seconds that the run has taken, in case it is killed."""
        self.state["elapsed_s"] = self.elapsed_s
        beside = self.scratch / f"{_STATE}.{os.getpid()}"
        beside.write_text(json.dumps(self.state))
        beside.replace(self.scratch / _STATE)

    def finish(self) -> None:
        """Delete the scratch files and rename the directory to its final name."""
        shutil.rmtree(self.scratch)
        self.partial.rename(self._directory)

    def _resume(self, fingerprint: str) -> dict[str, Any] | None:
        try:
            state = json.loads((self.scratch / _STATE).read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            state = {}
        if state.get("fingerprint") != fingerprint:
            raise OutputError(
                f"{self.partial} holds a run with other data or settings; give the same command to continue it, "
                "or remove the directory to start again"
            )
        return dict(state)
