"""Served: the real server on an artifact, and a client that asks it about many texts."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from artifact.child import ChildError, ServedArtifact
from artifact.cpu import usable_cores
from artifact.manifest import TextOrPair
from export.errors import ExportError

_CONNECTIONS: Final = 4
_ATTEMPTS: Final = 50
_TEXTS_PER_REQUEST: Final = 16
_REPLY_S: Final = 120.0
_LONG_TEXTS: Final = {"max_text_chars": "2000000", "max_body_bytes": str(2**27)}
"""A split may hold texts that a caller may not send: 16 of them fit into a request."""
_PLACE: Final = re.compile(r"\btext (\d+)\b")
_OK: Final = 200
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class ServedPrediction:
    """The server's answer about one text or pair.

    Attributes:
        scores: probabilities in label order, or the value of a regression.
        tokens: length of the text.
        by_first_stage: whether the first stage answered, and not the graph.
    """

    scores: tuple[float, ...]
    tokens: int
    by_first_stage: bool = False


class Client:
    """Asks one server about texts over a few connections.

    Args:
        url: of the server.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def classify(self, texts: Sequence[TextOrPair], tick: Callable[[], None]) -> list[ServedPrediction]:
        """Return predictions in the order of the texts; ``tick`` is called once per text.

        A request holds texts of similar length, which need little padding; the longest go first.

        Raises:
            ExportError: if the server refuses or fails.
        """
        order = sorted(range(len(texts)), key=lambda index: -_chars(texts[index]))
        groups = [order[start : start + _TEXTS_PER_REQUEST] for start in range(0, len(order), _TEXTS_PER_REQUEST)]
        answers: dict[int, ServedPrediction] = {}
        waiting = iter(groups)

        async def connection(client: httpx.AsyncClient) -> None:
            for group in waiting:
                for index, answer in zip(group, await self._ask(client, [texts[i] for i in group]), strict=True):
                    answers[index] = answer
                    tick()

        async with httpx.AsyncClient(base_url=self._url, timeout=_REPLY_S) as client:
            await asyncio.gather(*(connection(client) for _ in range(_CONNECTIONS)))
        return [answers[index] for index in range(len(texts))]

    async def _ask(self, client: httpx.AsyncClient, texts: list[TextOrPair]) -> list[ServedPrediction]:
        pairs = [text for text in texts if isinstance(text, tuple)]
        body: dict[str, Any] = {"texts": [first for first, _ in pairs], "text_pairs": [second for _, second in pairs]}
        body = {**(body if pairs else {"texts": texts}), "stage": True}
        for _ in range(_ATTEMPTS):
            try:
                reply = await client.post("/predict/batch", json=body)
            except httpx.HTTPError as error:
                raise ExportError(f"the server did not answer: {error!r}") from error
            if reply.status_code != _TOO_MANY:
                break
            await asyncio.sleep(float(reply.headers.get("retry-after", "1")))
        if reply.status_code != _OK:
            raise ExportError(f"the server answered {reply.status_code}: {reply.text[:200]}{_named(reply.text, texts)}")
        return [_answer(item) for item in reply.json()["predictions"]]


def _answer(item: dict[str, Any]) -> ServedPrediction:
    scores = item["probabilities"] if "probabilities" in item else [item["value"]]
    return ServedPrediction(tuple(map(float, scores)), int(item["tokens"]), item.get("stage") == "first")


def _chars(text: TextOrPair) -> int:
    return len(text) if isinstance(text, str) else sum(map(len, text))


def _named(answer: str, texts: Sequence[TextOrPair]) -> str:
    """Return the text that an error names by its place in the request."""
    found = _PLACE.search(answer)
    if found is None or int(found[1]) >= len(texts):
        return ""
    return f" The text is {texts[int(found[1])]!r:.80}; correct or remove its row"


@contextmanager
def serve(directory: Path, *, first_stage: bool = False) -> Iterator[Client]:
    """Run the server on an artifact while the block runs.

    Args:
        directory: of the artifact.
        first_stage: whether its first stage answers too.

    Raises:
        ExportError: with the server's last line, if it does not become ready.
    """
    settings = {"inference_workers": str(len(usable_cores())), "request_timeout_s": str(_REPLY_S), **_LONG_TEXTS}
    if first_stage:
        settings["first_stage"] = "on"
    with ServedArtifact(directory, settings) as server:
        try:
            client = Client(server.url)
        except ChildError as error:
            lines = server.log.strip().splitlines() or ["it wrote nothing"]
            raise ExportError(f"the server did not become ready: {lines[-1]}") from error
        yield client
