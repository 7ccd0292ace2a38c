"""An update of the service under load: two containers behind a load balancer are replaced one by one."""

import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.container import container, reserve_port
from tests.support.process import ROOT

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = [
    pytest.mark.container,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not NGINX, reason="nginx, of Debian's package nginx-light, is not installed"),
]

CONFIGURATION = ROOT / "deploy" / "container" / "nginx.conf"
CALLERS = 4


def test_no_request_fails_while_the_servers_are_replaced(image: str, tmp_path: Path) -> None:
    """Both servers are replaced under constant load, and every response is a prediction."""
    ports = [reserve_port(), reserve_port()]
    with ExitStack() as stack:  # the load stops before the containers
        blue, green = (stack.enter_context(container(image, PORT=str(port))) for port in ports)
        assert blue.url
        assert green.url
        with balancer(ports, tmp_path) as url, sending(url) as seen:
            for old, port in zip((blue, green), ports, strict=True):
                old.wait_for('"status":200')
                assert 0 == old.stop()
                stack.enter_context(container(image, PORT=str(port))).wait_for('"status":200')
    assert {200} == set(seen), seen


@contextmanager
def balancer(ports: list[int], folder: Path) -> Iterator[str]:
    """Run nginx in front of two ports, with the configuration of the repository, and return its address."""
    front = reserve_port()
    text = CONFIGURATION.read_text().replace("listen 8080", f"listen 127.0.0.1:{front}")
    for name, port in zip(("blue", "green"), ports, strict=True):
        text = text.replace(f"{name}:8080", f"127.0.0.1:{port}")
    (folder / "nginx.conf").write_text(text)
    command = [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr", "-g", "daemon off;"]
    with subprocess.Popen(command) as process:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
                client.get(f"http://127.0.0.1:{front}/health/ready", timeout=60)
            yield f"http://127.0.0.1:{front}"
        finally:
            process.terminate()


@contextmanager
def sending(url: str) -> Iterator[Counter[int | str]]:
    """Send predictions continuously on kept connections; count statuses, and errors of requests without a response."""
    seen: Counter[int | str] = Counter()
    stop = threading.Event()

    def send() -> Counter[int | str]:
        own: Counter[int | str] = Counter()
        with httpx.Client(timeout=60) as client:
            while not stop.is_set():
                try:
                    own[client.post(f"{url}/predict", json={"text": "A film I will watch again."}).status_code] += 1
                except httpx.TransportError as error:
                    own[repr(error)] += 1
        return own

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(send) for _ in range(CALLERS)]
        try:
            yield seen
        finally:
            stop.set()
    for caller in callers:
        seen.update(caller.result())
