"""``python slowed.py FACTOR``: the server of the working directory, with a busy loop after every run of the model.

``compare --slow-b`` starts the second server with it, to show that the harness finds a slowdown of 15 %. It is started
by its path, so that it slows down the server of any working tree or revision, and it imports nothing that the server's
environment does not have.
"""

import runpy
import sys
import time
from pathlib import Path


def main() -> None:
    """Slow down the runtime, then serve."""
    factor = float(sys.argv.pop(1))
    sys.path[0] = str(Path.cwd())  # as with ``python -m server``; it was this file's directory
    import onnxruntime  # noqa: PLC0415 - after the path is set, as the server imports it

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
