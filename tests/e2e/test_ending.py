"""The end of a server: every admitted request is answered, and the exit code reports success."""

import json
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.support.artifacts import copy_tiny
from tests.support.process import server_process
from tests.support.serving import check_error

pytestmark = pytest.mark.timeout(120)  # a test that opens a pipe would wait forever for an ended server

BODY = json.dumps({"text": "good"}).encode()


class HalfSent:
    """A request whose head has been read by the server and whose body is still missing."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {len(BODY)}\r\n\r\n"
        self._socket.sendall(head.encode())
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == self._socket.recv(1024)

    def finish(self) -> tuple[int, bool]:
        """Send the body and return the status, and whether the server closes the connection."""
        self._socket.sendall(BODY)
        answer = self.read()
        return int(answer.split()[1]), b"connection: close" in answer.lower()

    def read(self) -> bytes:
        """Return all bytes until the server closes."""
        with self._socket:
            return b"".join(iter(lambda: self._socket.recv(65536), b""))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once(number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C end an idle server with exit code 0 and without a traceback."""
    with server_process() as server:
        assert 200 == httpx.get(f"{server.url}/health/ready").status_code
        server.signal(number)
        assert 0 == server.wait()
    check_clean(server)
    assert "stopped" in server.lines[-1]


def test_requests_in_flight_are_answered_before_the_end() -> None:
    """During a drain readiness is 503, new work is refused, and every request that had begun gets its answer."""
    with server_process() as server:
        url, begun = server.url, [HalfSent(server.port) for _ in range(16)]
        server.signal(signal.SIGTERM)
        server.wait_for("SIGTERM: draining")
        check_error(httpx.get(f"{url}/health/ready"), 503, "draining")
        assert 200 == httpx.get(f"{url}/health/live").status_code
        check_error(httpx.post(f"{url}/predict", json={"text": "good"}), 503, "draining")
        assert server.running
        assert [(200, True)] * 16 == [request.finish() for request in begun]
        assert 0 == server.wait()
    check_clean(server)


def test_a_second_signal_ends_at_once() -> None:
    """A second signal ends the drain at once."""
    with server_process(drain_timeout_s="600") as server:
        begun = HalfSent(server.port)
        server.signal(signal.SIGINT)
        server.wait_for("SIGINT: draining")
        server.signal(signal.SIGINT)
        assert 0 == server.wait()
        assert b"draining" in begun.read()
    check_clean(server)
    assert any('"route":"/predict","status":503' in line for line in server.lines)


def test_a_drain_ends_when_its_time_is_over() -> None:
    """A caller that never finishes its request does not keep the server from ending, and the log counts it."""
    with server_process(drain_timeout_s="0.1") as server:
        begun = HalfSent(server.port)
        server.signal(signal.SIGTERM)
        server.wait_for("1 requests were not answered in 0.1 s")
        assert 0 == server.wait()
        assert b"draining" in begun.read()
    check_clean(server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_model_loads_ends_the_start(tmp_path: Path, number: signal.Signals) -> None:
    """An interrupted start is not a failure: exit code 0 and no output."""
    os.mkfifo(tmp_path / "manifest.json")
    manifest = tmp_path / "manifest.json"
    with server_process(tmp_path) as server, manifest.open("wb"):  # open returns when the server begins to read
        server.signal(number)
        assert 0 == server.wait()
    assert [] == server.lines


def test_hanging_up_reloads_the_artifact(tmp_path: Path) -> None:
    """SIGHUP reloads the artifact; if it is damaged, the old model continues to serve."""
    with server_process(copy_tiny(tmp_path)) as server:
        url = server.url
        model = (tmp_path / "model.onnx").read_bytes()
        (tmp_path / "model.onnx").write_bytes(b"")
        server.signal(signal.SIGHUP)
        server.wait_for(r"reload failed: tiny 1\.0\.0 stays: .*damaged")
        assert 200 == httpx.post(f"{url}/predict", json={"text": "good"}).status_code
        (tmp_path / "model.onnx").write_bytes(model)
        server.signal(signal.SIGHUP)
        server.wait_for(r"tiny 1\.0\.0 took over from 1\.0\.0")
        assert 200 == httpx.post(f"{url}/predict", json={"text": "good"}).status_code
        server.signal(signal.SIGTERM)
        assert 0 == server.wait()
    check_clean(server)


class Crowd:
    """Callers of every kind at the end of a server, a number of each.

    Args:
        port: of the server.
        count: of each kind.
    """

    def __init__(self, port: int, count: int) -> None:
        self.half_sent = [HalfSent(port) for _ in range(count)]
        self.idle = [self._connect(port, b"") for _ in range(count)]
        self.kept = [self._connect(port, PROBE) for _ in range(count)]
        self.slow = [self._connect(port, PROBE[:-3]) for _ in range(count)]
        for connection in self.kept:
            assert connection.recv(1024).startswith(b"HTTP/1.1 200 ")
        self.unread = [self._connect(port, METRICS * 600) for _ in range(count)]

    def _connect(self, port: int, sent: bytes) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # an answer or two fill it
        connection.settimeout(20)
        connection.connect(("127.0.0.1", port))
        connection.sendall(sent)
        return connection

    def close(self) -> None:
        """Close all connections that tests have not read."""
        for connection in (*self.idle, *self.kept, *self.slow, *self.unread):
            connection.close()


PROBE = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"
METRICS = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize("count", [1, 20])
def test_no_connection_holds_up_the_end(count: int) -> None:
    """Unread answers, half-sent bodies, slow heads and idle connections neither delay nor spoil the end."""
    with server_process(drain_timeout_s="0.5") as server:
        crowd = Crowd(server.port, count)
        answered = HalfSent(server.port)
        server.signal(signal.SIGTERM)
        server.wait_for("SIGTERM: draining")
        assert (200, True) == answered.finish()
        assert 0 == server.wait()
        assert [True] * count == [b"draining" in request.read() for request in crowd.half_sent]
        crowd.close()
    check_clean(server)
    assert "stopped" in server.lines[-1]


def test_a_second_signal_ends_unread_answers_too() -> None:
    """A second signal waits for no caller that does not read."""
    with server_process(drain_timeout_s="600") as server:
        crowd = Crowd(server.port, 2)
        server.signal(signal.SIGTERM)
        server.wait_for("SIGTERM: draining")
        server.signal(signal.SIGTERM)
        assert 0 == server.wait()
        assert [True] * 2 == [b"draining" in request.read() for request in crowd.half_sent]
        crowd.close()
    check_clean(server)


def test_a_last_answer_is_read_in_the_time_to_drain() -> None:
    """An answer that its caller reads slowly is sent whole before the server ends."""
    with server_process(drain_timeout_s="30") as server, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(20)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(METRICS * 600)
        received = slow.recv(1024)
        server.signal(signal.SIGTERM)
        server.wait_for("SIGTERM: draining")
        while part := slow.recv(65536):
            received += part
        assert 0 == server.wait()
    *_, last = received.split(b"HTTP/1.1 200 OK")
    head, _, body = last.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}\r\n".encode() in head + b"\r\n"
    check_clean(server)


def check_clean(server: ServedArtifact) -> None:
    """Check that nothing in the log looks like a failure."""
    assert "Traceback" not in server.log
    assert "Error" not in server.log
