"""The process, inside the test: what ``main`` refuses, and that it serves until it is told to end."""

import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from server.http.connection.refusals import Refusals
from server.http.connection.shared import Connections
from server.lifecycle import Lifecycle
from server.memory import Heap
from server.observe.metrics import Metrics
from server.process import DrainingServer, main
from tests.support.classifiers import FakeClassifier
from tests.support.engines import PATIENCE_S
from tests.support.serving import make_settings
from tests.support.tiny import TINY


@pytest.fixture(autouse=True)
def _restore(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the process state that a test may change, and hide pytest's own arguments."""
    monkeypatch.setattr(sys, "argv", ["server"])
    monkeypatch.setenv("VERDICT_ARTIFACT_DIR", str(TINY))
    monkeypatch.setenv("VERDICT_PORT", "0")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    root = list(logging.getLogger().handlers)
    levels = {name: logging.getLogger(name).level for name in (None, "uvicorn.error", "asyncio")}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    logging.getLogger().handlers = root
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("VERDICT_PORT", "x", "VERDICT_PORT='x' can not be used"),
        ("VERDICT_HOST", "no.such.host.invalid", "can not listen on no.such.host.invalid:0"),
        pytest.param("VERDICT_HOST", "\u00fc" * 70, "not a host name", id="no host name"),
        ("VERDICT_ARTIFACT_DIR", "nowhere", "no artifact in nowhere"),
    ],
)
def test_what_can_not_be_served_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, words: str
) -> None:
    """A failed start ends with exit code 1 and one line on standard error."""
    monkeypatch.setenv(name, value)
    assert 1 == main()
    output = capsys.readouterr()
    assert "" == output.out
    (line,) = output.err.splitlines()
    assert line.startswith("verdict: ")
    assert words in line


def test_a_reason_of_several_lines_is_put_into_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Line feeds in a quoted value do not split the line."""
    monkeypatch.setenv("VERDICT_ARTIFACT_DIR", str(tmp_path / "no\nartifact"))
    assert 1 == main()
    assert 1 == len(capsys.readouterr().err.splitlines())


def test_the_help_lists_the_settings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` shows every variable with its cost, and starts no server."""
    monkeypatch.setattr(sys, "argv", ["server", "--help"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert 0 == caught.value.code
    assert "VERDICT_MAX_QUEUE_TOKENS (default: 65536)" in capsys.readouterr().out


class _Listening(logging.Handler):
    """Wait for the line with the server's URL."""

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.told = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Take the URL from the line."""
        message = record.getMessage()
        if message.startswith("listening on "):
            self.url = message.removeprefix("listening on ")
            self.told.set()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_serves_until_it_is_told_to_end(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The logged URL works unchanged for IPv4 and IPv6, and SIGTERM ends with exit code 0."""
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    monkeypatch.setenv("VERDICT_HOST", host)
    trims: list[None] = []
    monkeypatch.setattr(Heap, "trim", lambda _: trims.append(None))
    listening = _Listening()
    logging.getLogger("server").addHandler(listening)
    answers: list[int] = []

    def ask_and_end() -> None:
        try:
            if listening.told.wait(PATIENCE_S):
                answers.append(httpx.post(f"{listening.url}/predict", json={"text": "good"}).status_code)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    caller = threading.Thread(target=ask_and_end)
    caller.start()
    try:
        assert 0 == main()
    finally:
        caller.join()
        logging.getLogger("server").removeHandler(listening)
    assert [200] == answers
    assert not gc.isenabled(), "garbage is looked for by the clock alone"
    assert trims, "the holes that loading left went back to the system"


_TRIM = "trim"


def _watched(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int | str], Lifecycle, DrainingServer]:
    """Return a list that records collected generations and trims, and a server with its lifecycle."""
    looks: list[int | str] = []
    monkeypatch.setattr(gc, "collect", looks.append)
    monkeypatch.setattr(Heap, "trim", lambda _: looks.append(_TRIM))
    lifecycle = Lifecycle(Metrics())
    connections = Connections(make_settings(), Refusals(Metrics()))
    server = DrainingServer(
        uvicorn.Config(lambda: None),
        lifecycle,
        FakeClassifier(),
        Heap(0, None),
        connections=connections,
        drain_timeout_s=1,
    )
    return looks, lifecycle, server


@pytest.mark.anyio
async def test_garbage_is_looked_for_while_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full garbage collection takes longer with more open requests, so it runs between requests."""
    looks, lifecycle, server = _watched(monkeypatch)
    with lifecycle.in_flight:
        for tick in range(1, 1000):
            assert not await server.on_tick(tick)
    assert [0] * 999 == looks, "what is new is looked at under load too, the rest is not"
    for tick in range(1, 1000):
        assert not await server.on_tick(tick)
    assert 1 <= looks.count(2) <= 10
    assert looks.count(_TRIM) == looks.count(2), "the heap is looked at too"


@pytest.mark.anyio
async def test_a_server_that_is_never_idle_looks_for_garbage_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full collections are rare under load, but memory must not grow without limit."""
    looks, lifecycle, server = _watched(monkeypatch)
    with lifecycle.in_flight:
        for tick in range(1, 12_001):
            assert not await server.on_tick(tick)
    assert 2 == looks.count(2)
    assert _TRIM not in looks, "requests wait"


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
