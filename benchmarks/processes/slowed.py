"""``python slowed.py FACTOR``: the server of the working directory, with a busy loop after every run of the model.

A harness that can not find a slowdown of 15 % can not be believed when it finds none; ``compare --slow-b`` starts
the second server through this. It is run by its path, so that it slows the server of any working tree or revision
down. It imports nothing that the server's environment does not hold.
"""

import runpy
import sys
import time
from pathlib import Path


def main() -> None:
    """Slow the runtime down, then serve."""
    factor = float(sys.argv.pop(1))
    sys.path[0] = str(Path.cwd())  # in place of this file's own directory: as with ``python -m server``
    import onnxruntime  # noqa: PLC0415 - after the arguments, so that a mistake in them shows at once

    fast = onnxruntime.InferenceSession.run

    def slow(*arguments: object, **options: object) -> object:
        started = time.perf_counter()
        answer = fast(*arguments, **options)
        until = started + factor * (time.perf_counter() - started)
        while time.perf_counter() < until:
            pass
        return answer

    onnxruntime.InferenceSession.run = slow
    runpy.run_module("server", run_name="__main__")


if __name__ == "__main__":
    main()
