"""``python -m server``: serve an artifact until SIGTERM or Ctrl-C. Every setting is an environment variable.

Exit code 0 after a clean end, 1 with one clear line where the server can not start.
"""

import os
import signal
import sys


def _start() -> int:
    """Import and run the server; end cleanly if a signal comes first.

    Importing takes most of a start. The first process of a container ignores a SIGTERM that it does not handle, and a
    SIGHUP that comes too early must not end it. A closed standard stream is opened on nothing: the next file or
    connection would take its number, and get what libraries write to standard error.
    """
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from server.process import main  # noqa: PLC0415 - see above

    return main()


if __name__ == "__main__":
    sys.exit(_start())
