"""Answers: a group of lines -> an answer or an error for each, as lines of JSON."""

import asyncio
import logging
from typing import Final

import orjson

from artifact.manifest import TextOrPair
from server.errors import DrainingError, EngineFailedError, OverloadedError, TimedOutError, VerdictError
from server.http.call import Call
from server.http.protocols.native import render_prediction
from server.http.protocols.stream.lines import Line, message_of
from server.inference.classifier import Classifier

_logger = logging.getLogger(__name__)
_LOOK_AGAIN_S: Final = 0.01
"""Between two looks at whether the queue has room."""
_SHARE: Final = 0.5
"""The part of the queue that streams fill; the rest is left to others."""
_PATIENCE_S: Final = 1.0
"""After so long, a group takes any room: others may keep more than half of the queue full for good."""
_OF_ALL: Final = (TimedOutError, DrainingError, EngineFailedError)
"""Errors that no text of a group is to blame for."""


class Answers:
    """Answers to one stream's lines.

    Args:
        call: the request.
        classifier: answers.

    Attributes:
        failed: lines that got an error.
    """

    def __init__(self, call: Call, classifier: Classifier) -> None:
        self.failed = 0
        self._services = call.services
        self._request_id = call.request_id
        self._classifier = classifier
        self._timeout_s = call.patience_s()

    async def of(self, group: list[Line]) -> list[bytes]:
        """Return the answers to lines of one truncation, in order."""
        texts = [line for line in group if line.error is None]
        answers = dict(zip(texts, await self._classify(texts), strict=True)) if texts else {}
        return [self._refuse(line, line.error) if line.error else answers[line] for line in group]

    def last(self, error: VerdictError, answered: int) -> bytes:
        """Return the last line of a stream that ends early.

        Args:
            error: why it ends.
            answered: lines that were answered.
        """
        detail = {"kind": error.kind, "message": str(error), "request_id": self._request_id}
        return orjson.dumps({"error": detail, "answered": answered}, option=orjson.OPT_APPEND_NEWLINE)

    async def _classify(self, lines: list[Line]) -> list[bytes]:
        """Return the answers to lines that have texts; where one of them fails the others, halves are asked apart."""
        texts = [line.text for line in lines if line.text is not None]
        try:
            return await self._ask(lines, texts)
        except _OF_ALL as error:
            return [self._refuse(line, error) for line in lines]
        except VerdictError as error:
            if len(lines) == 1:
                return [self._refuse(lines[0], error)]
            half = len(lines) // 2
            return [*await self._classify(lines[:half]), *await self._classify(lines[half:])]
        except Exception:
            _logger.exception("stream %s failed; this is a bug", self._request_id)
            failure = EngineFailedError("the server failed; try again")
            return [self._refuse(line, failure) for line in lines]

    async def _ask(self, lines: list[Line], texts: list[TextOrPair]) -> list[bytes]:
        while True:
            await self._wait_for_room(texts)
            try:
                done = await self._classifier.classify(texts, truncation=lines[0].truncation, timeout_s=self._timeout_s)
                break
            except OverloadedError:  # others were faster
                await asyncio.sleep(_LOOK_AGAIN_S)
        metrics = self._services.metrics
        metrics.ledger.record(metrics.count_predicted, len(lines))
        return [
            b'{"id":%b,%b\n' % (line.id, orjson.dumps(render_prediction(done.head, prediction))[1:])
            for line, prediction in zip(lines, done.predictions, strict=True)
        ]

    async def _wait_for_room(self, texts: list[TextOrPair]) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        share = _SHARE
        while not self._classifier.has_room(texts, share=share):
            if loop.time() - began_s > _PATIENCE_S:
                share = 1.0
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _refuse(self, line: Line, error: VerdictError) -> bytes:
        self.failed += 1
        self._services.metrics.texts.labels(error.kind).inc()
        detail = orjson.dumps({"kind": error.kind, "message": message_of(error)})
        return b'{"id":%b,"error":%b,"line":%d}\n' % (line.id, detail, line.number)
