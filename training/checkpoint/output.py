"""The checkpoint directory while it is being made: either missing or finished, never half.

While a run lasts everything stands in ``OUTPUT.partial``; the last act renames it. Knows paths and the state of a
run; knows nothing of models.
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
    """The output directory can not be written; the message says why and what to do."""


def refuse_finished(directory: Path) -> None:
    """Raise OutputError if the checkpoint exists already; asked first, before data is read."""
    if directory.exists():
        raise OutputError(f"{directory} exists and is not overwritten; choose another --output or remove it")


class Output:
    """A checkpoint directory in the making.

    Args:
        directory: the finished checkpoint.
        fingerprint: of the run; what stands in the partial directory must be the same run's.
        first_state: kept from the first start of the run on, such as its commit.

    Raises:
        OutputError: if the checkpoint exists, another run was begun there, or nothing can be written.
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
            raise OutputError(f"{self.partial} can not be made: {error.strerror}") from error
        self.state = self._resume(fingerprint) or {"fingerprint": fingerprint, "elapsed_s": 0.0, **first_state}
        self._earlier_s = self.state["elapsed_s"]
        self.record_time()

    @property
    def elapsed_s(self) -> float:
        """Seconds that the run has taken, those before it was killed included up to its last checkpoint."""
        return float(self._earlier_s + time.monotonic() - self._begun)

    def record_time(self) -> None:
        """Write down how long the run has taken, for the day it is killed."""
        self.state["elapsed_s"] = self.elapsed_s
        beside = self.scratch / f"{_STATE}.{os.getpid()}"
        beside.write_text(json.dumps(self.state))
        beside.replace(self.scratch / _STATE)

    def finish(self) -> None:
        """Drop what only a running run needs and give the checkpoint its name."""
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
                f"{self.partial} holds a run with other data or settings; give the same command to go on with it, "
                "or remove the directory to start anew"
            )
        return dict(state)
