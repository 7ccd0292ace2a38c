"""An update of the service under load: two containers behind a load balancer, one after the other replaced."""

import os
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from tests.support.container import container, reserve_port
from tests.support.process import ROOT

pytestmark = [
    pytest.mark.container,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy, of Debian's package haproxy, is not installed"),
]

CONFIGURATION = ROOT / "deploy" / "container" / "haproxy.cfg"
CALLERS = 4


def test_no_request_fails_while_the_servers_are_replaced(image: str) -> None:
    """A caller who sends all the time never notices that both servers were replaced: every answer is a prediction."""
    ports = [reserve_port(), reserve_port()]
    with ExitStack() as stack:  # the load ends before the containers do
        blue, green = (stack.enter_context(container(image, PORT=str(port))) for port in ports)
        assert blue.url
        assert green.url
        with balancer(ports) as url, sending(url) as seen:
            for old, port in zip((blue, green), ports, strict=True):
                old.wait_for('"status":200')
                assert 0 == old.stop()
                stack.enter_context(container(image, PORT=str(port))).wait_for('"status":200')
    assert {200} == set(seen), seen


@contextmanager
def balancer(ports: list[int]) -> Iterator[str]:
    """Run HAProxy in front of two ports and return its address; it listens before it is started."""
    with socket.create_server(("127.0.0.1", 0)) as front:
        url = f"http://127.0.0.1:{front.getsockname()[1]}"
        blue, green = (f"127.0.0.1:{port}" for port in ports)
        process = subprocess.Popen(
            ["haproxy", "-f", str(CONFIGURATION)],  # noqa: S607 - wherever it is installed
            env=os.environ | {"FRONT": f"fd@{front.fileno()}", "BLUE": blue, "GREEN": green},
            pass_fds=[front.fileno()],
        )
    try:
        yield url
    finally:
        process.terminate()
        process.wait()


@contextmanager
def sending(url: str) -> Iterator[Counter[int]]:
    """Send predictions all the time, on kept connections, and count the statuses; 0 is no answer at all."""
    seen: Counter[int] = Counter()
    stop = threading.Event()

    def send() -> Counter[int]:
        own: Counter[int] = Counter()
        with httpx.Client(timeout=60) as client:
            while not stop.is_set():
                try:
                    own[client.post(f"{url}/predict", json={"text": "A film I will watch again."}).status_code] += 1
                except httpx.TransportError:
                    own[0] += 1
        return own

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(send) for _ in range(CALLERS)]
        try:
            yield seen
        finally:
            stop.set()
    for caller in callers:
        seen.update(caller.result())
