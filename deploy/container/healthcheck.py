"""The image's health check: exit code 0 if the server accepts requests, else 1 with the reason.

It runs several times per minute and shares a quarter of a vCPU with the server, so it imports only one module. If the
port is not open yet, it waits a moment instead of failing, so a start is detected before the next check.
"""

import os
import socket
import sys
import time

_PATIENCE_S = 2.0
_PAUSE_S = 0.05
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is translated, nothing listens


def main() -> int:
    """Ask for readiness; return the exit code."""
    host = os.environ.get("VERDICT_HOST", "127.0.0.1")
    port = int(os.environ.get("VERDICT_PORT") or os.environ.get("PORT") or 8080)
    try:
        answer = _ask(_HERE.get(host, host), port)
    except OSError as error:
        print(f"{host}:{port}: {error}", file=sys.stderr)  # noqa: T201 - docker inspect shows it
        return 1
    print(answer)  # noqa: T201 - docker inspect shows it
    return 0 if answer.startswith("HTTP/1.1 200 ") else 1


def _ask(host: str, port: int) -> str:
    request = f"GET /health/ready HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode()
    with _connect(host, port) as connection:
        connection.sendall(request)
        return connection.makefile(encoding="ascii", errors="replace").readline().strip()


def _connect(host: str, port: int) -> socket.socket:
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return socket.create_connection((host, port), timeout=_PATIENCE_S)
        except ConnectionRefusedError:
            if time.monotonic() > give_up:
                raise
            time.sleep(_PAUSE_S)


if __name__ == "__main__":
    sys.exit(main())
