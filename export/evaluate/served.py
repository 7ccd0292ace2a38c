"""Served: the real server as a child process, and a client that asks it about many texts."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from export.errors import ExportError

_HOST: Final = "127.0.0.1"
_CONNECTIONS: Final = 4
_ATTEMPTS: Final = 50
_TEXTS_PER_REQUEST: Final = 16
_START_S: Final = 60.0
_REPLY_S: Final = 120.0
_STOP_S: Final = 30.0
_OK: Final = 200
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said about one text."""

    sentiment: int
    probabilities: tuple[float, ...]
    tokens: int


class Client:
    """Asks one server about texts, a few connections at a time.

    Args:
        url: of the server.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def classify(self, texts: Sequence[str], tick: Callable[[], None]) -> list[Answer]:
        """Return answers in the order of the texts; ``tick`` is called once per text.

        Texts of like lengths go together, the longest first, so that nothing is padded for nothing.

        Raises:
            ExportError: if the server refuses or fails.
        """
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        groups = [order[start : start + _TEXTS_PER_REQUEST] for start in range(0, len(order), _TEXTS_PER_REQUEST)]
        answers: dict[int, Answer] = {}
        waiting = iter(groups)

        async def connection(client: httpx.AsyncClient) -> None:
            for group in waiting:
                for index, answer in zip(group, await self._ask(client, [texts[i] for i in group]), strict=True):
                    answers[index] = answer
                    tick()

        async with httpx.AsyncClient(base_url=self._url, timeout=_REPLY_S) as client, asyncio.TaskGroup() as tasks:
            for _ in range(_CONNECTIONS):
                tasks.create_task(connection(client))
        return [answers[index] for index in range(len(texts))]

    async def _ask(self, client: httpx.AsyncClient, texts: list[str]) -> list[Answer]:
        for _ in range(_ATTEMPTS):
            reply = await client.post("/predict/batch", json={"texts": texts})
            if reply.status_code != _TOO_MANY:
                break
            await asyncio.sleep(float(reply.headers.get("retry-after", "1")))
        if reply.status_code != _OK:
            raise ExportError(f"the server answered {reply.status_code}: {reply.text[:200]}")
        return [_answer(item) for item in reply.json()["predictions"]]


def _answer(item: dict[str, Any]) -> Answer:
    return Answer(int(item["sentiment"]), tuple(map(float, item["probabilities"])), int(item["tokens"]))


@contextmanager
def serve(directory: Path) -> Iterator[Client]:
    """Run the server on an artifact for as long as the block lasts.

    Raises:
        ExportError: with its last line, if it does not become ready.
    """
    url = f"http://{_HOST}:{(port := _free_port())}"
    environment = {
        **os.environ,
        "VERDICT_ARTIFACT_DIR": str(directory.resolve()),
        "VERDICT_HOST": _HOST,
        "VERDICT_PORT": str(port),
        "VERDICT_INFERENCE_WORKERS": str(os.cpu_count() or 1),
        "VERDICT_REQUEST_TIMEOUT_S": str(_REPLY_S),
    }
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "server"], cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_until_ready(process, url, log)
            yield Client(url)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Any) -> None:  # noqa: ANN401 - a binary file
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/health/ready").status_code == _OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
    raise ExportError(f"the server did not become ready: {lines[-1]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
    return port
