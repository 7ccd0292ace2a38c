"""Memory: peak resident size of a process that runs a graph. Run as ``python -m export.measure.memory``.

Measured in a new process, because the memory of other variants would count in this one.
"""

import argparse
import ctypes
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from artifact.child import ROOT
from artifact.manifest import SessionOptions


def peak_bytes(path: Path, options: SessionOptions, max_length: int) -> int:
    """Return the peak resident size of a new process that loads a graph and runs its longest text."""
    command = [sys.executable, "-m", __spec__.name, str(path), options.model_dump_json(), str(max_length)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - this module
    return int(result.stdout)


def return_free_pages() -> None:
    """Give free pages of this process back to the system, where its C library is glibc.

    Graphs are copied, serialized and loaded many times. Of a model of 66 million weights, the free pages would add up
    to 3 GB.
    """
    if hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def _main() -> None:
    parser = argparse.ArgumentParser(description="Print the peak resident bytes of a process that runs a graph.")
    parser.add_argument("path", type=Path)
    parser.add_argument("options", help="session options as JSON")
    parser.add_argument("max_length", type=int, help="tokens of the longest text")
    arguments = parser.parse_args()
    from artifact.runtime import Batch, OnnxEngine  # noqa: PLC0415 - only the child runs a graph

    engine = OnnxEngine(arguments.path, SessionOptions.model_validate_json(arguments.options))
    ids = np.ones((1, arguments.max_length), np.int64)
    engine.run(Batch(ids, ids))
    sys.stdout.write(str(_own_peak_bytes()))


def _own_peak_bytes() -> int:
    """Return this process's peak; on Linux ``ru_maxrss`` would include the peak of its parent."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    _main()
