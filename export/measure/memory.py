"""Memory: what a process that serves a graph needs at its peak. Run as ``python -m export.measure.memory``.

Measured in a fresh process, which imports nothing but onnxruntime and numpy: what other variants left behind in
this one would count too.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from artifact.manifest import SessionOptions


def peak_bytes(path: Path, options: SessionOptions, max_length: int) -> int:
    """Return the peak resident size of a fresh process that loads a graph and runs its longest text."""
    command = [sys.executable, "-m", __spec__.name, str(path), options.model_dump_json(), str(max_length)]
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603 - this module
    return int(result.stdout)


def _main() -> None:
    parser = argparse.ArgumentParser(description="Print the peak resident bytes of a process that runs a graph.")
    parser.add_argument("path", type=Path)
    parser.add_argument("options", help="session options as JSON")
    parser.add_argument("max_length", type=int, help="tokens of the longest text")
    arguments = parser.parse_args()
    from artifact.runtime import Batch, OnnxEngine  # noqa: PLC0415 - the parent needs no second copy of it

    engine = OnnxEngine(arguments.path, SessionOptions.model_validate_json(arguments.options))
    ids = np.ones((1, arguments.max_length), np.int64)
    engine.run(Batch(ids, ids))
    sys.stdout.write(str(_own_peak_bytes()))


def _own_peak_bytes() -> int:
    """Return this process's peak; Linux's ``ru_maxrss`` would count the parent that started it too."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    _main()
