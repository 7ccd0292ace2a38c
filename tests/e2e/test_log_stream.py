"""A log that is not read, closed or full: requests are answered, lines that are lost are counted."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from artifact.child import ROOT, server_environment
from tests.support.container import reserve_port
from tests.support.engines import PATIENCE_S
from tests.support.tiny import TINY

pytestmark = pytest.mark.timeout(120)

REQUESTS = 6000
"""Their lines, 1.6 MB, are more than a pipe holds (64 KiB) and more than may wait for it (1 MB)."""
BURST = 1000
REQUEST = b"GET /nowhere HTTP/1.1\r\nhost: x\r\nx-request-id: " + b"a" * 128 + b"\r\n%s\r\n"


@contextmanager
def serving(stderr: int | None) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a server with this standard error, or with none at all; yield it and its port once it serves."""
    port = reserve_port()
    environment = {**os.environ, **server_environment(TINY, {"port": str(port)})}
    command = [sys.executable, "-m", "server"]
    if stderr is None:
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr) as process:
        try:
            transport = httpx.HTTPTransport(retries=8)  # with growing pauses, a minute in all
            with httpx.Client(transport=transport) as client:
                assert 200 == client.get(f"http://127.0.0.1:{port}/health/ready", timeout=PATIENCE_S).status_code
            yield process, port
        finally:
            process.kill()


def ask(port: int) -> None:
    """Send many requests that are logged, and check that all are answered."""
    for _ in range(REQUESTS // BURST):
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
            connection.sendall(REQUEST % b"" * (BURST - 1) + REQUEST % b"connection: close\r\n")
            answers = b"".join(iter(lambda: connection.recv(1 << 20), b""))
            assert BURST == answers.count(b"HTTP/1.1 404 ")


def dropped(port: int) -> float:
    """Return how many log lines a server counts as lost."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    found = re.search(r"^verdict_log_lines_dropped_total (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])


def wait_until_dropped(port: int, lines: int) -> None:
    """Wait until so many lines are counted; the last of them are written after their requests."""
    while dropped(port) < lines:
        pass


def end(process: subprocess.Popen[bytes]) -> int:
    """End a server and return its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE_S)


def test_a_stalled_log_holds_up_nothing() -> None:
    """With a pipe that nobody reads, requests are answered and the server ends; the log tells what is missing."""
    reading, writing = os.pipe()
    with serving(writing) as (process, port), os.fdopen(reading, "rb") as log:
        os.close(writing)
        ask(port)
        lost = dropped(port)
        assert lost > 0
        lines = iter(log)
        told = next(line for line in lines if b"log lines were dropped" in line)
        assert lost <= int(re.findall(rb"(\d+) log lines", told)[0])
        assert 0 == end(process)


def test_a_stalled_log_does_not_hold_up_the_end() -> None:
    """SIGTERM ends a server whose log is stalled, with exit code 0."""
    reading, writing = os.pipe()
    with serving(writing) as (process, port), os.fdopen(reading, "rb"):
        os.close(writing)
        ask(port)
        assert 0 == end(process)


def test_a_closed_log_holds_up_nothing() -> None:
    """Where the reader has gone, all lines are lost and counted."""
    reading, writing = os.pipe()
    with serving(writing) as (process, port):
        os.close(writing)
        os.close(reading)
        ask(port)
        wait_until_dropped(port, REQUESTS)
        assert 0 == end(process)


def test_a_full_disk_holds_up_nothing() -> None:
    """Where nothing can be written, all lines are lost and counted."""
    with Path("/dev/full").open("wb") as full, serving(full.fileno()) as (process, port):
        ask(port)
        wait_until_dropped(port, REQUESTS)
        assert 0 == end(process)


def test_no_standard_error_at_all_is_no_connection() -> None:
    """Where standard error is closed before the start, no connection gets its number, and the lines go nowhere."""
    with serving(None) as (process, port):
        ask(port)
        assert Path("/dev/null") == Path(f"/proc/{process.pid}/fd/2").readlink()
        assert 0 == end(process)
