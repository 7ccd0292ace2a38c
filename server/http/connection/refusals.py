"""Refusals: connections that end without a request being answered. Each is counted, and logged at a bounded rate."""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from server.errors import VerdictError
from server.http.errors import (
    BadHostError,
    LargeHeadError,
    NotHttpError,
    SlowHeadError,
    TooManyConnectionsError,
    render,
)
from server.http.headers import SAFE_HEADERS, new_request_id
from server.observe.metrics import Metrics

_logger = logging.getLogger("server.connections")
_MAX_LINES_S: Final = 10
"""Lines a second; more refusals are counted in one line after that second."""

Reason = Literal[
    "not_http",
    "bad_host",
    "large_head",
    "slow_head",
    "too_many_connections",
    "too_much_pipelined",
    "unread_answer",
]

REASONS: Final[Mapping[type[VerdictError], Reason]] = {
    NotHttpError: "not_http",
    BadHostError: "bad_host",
    LargeHeadError: "large_head",
    SlowHeadError: "slow_head",
    TooManyConnectionsError: "too_many_connections",
}
"""The refusals that are answered. The other two close the connection behind an answer, or in place of one."""

_Recorded = tuple[Reason, float, Mapping[str, object]]
"""Reason, time since the epoch, and further fields of the log line."""


class Refusal:
    """A whole response to bytes that have not become a request.

    Args:
        error: one of ``REASONS``.

    Attributes:
        request_id: a new one.
        status: of the response.
    """

    def __init__(self, error: VerdictError) -> None:
        self.request_id = new_request_id()
        self._response = render(error, self.request_id)
        self.status = self._response.status_code

    def render(self) -> bytes:
        """Return the response as it is written."""
        answer = self._response
        headers = [*answer.raw_headers, (b"x-request-id", self.request_id.encode()), *SAFE_HEADERS]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return STATUS_LINE[self.status] + lines + b"\r\n" + bytes(answer.body)


class Refusals:
    """Count and log refused connections. All state belongs to the event loop's thread.

    Args:
        metrics: where they are counted.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._second = 0
        self._lines = 0
        self._unlogged: Counter[Reason] = Counter()

    def record(self, reason: Reason, **fields: object) -> None:
        """Count one refusal with the next flush of the ledger, and log it then.

        Args:
            reason: why.
            fields: ``request_id`` and ``status`` of the answer, where there is one.
        """
        self._metrics.ledger.record(self._write, (reason, time.time(), fields))

    def flush(self) -> None:
        """Log the number of refusals that had no line of their own, if a second has passed since."""
        if self._unlogged and int(time.monotonic()) != self._second:
            self._log_rest()

    def close(self) -> None:
        """Log the number of refusals that had no line of their own."""
        self._metrics.ledger.flush()
        if self._unlogged:
            self._log_rest()

    def _write(self, refused: Sequence[_Recorded]) -> None:
        for reason, count in Counter(reason for reason, _, _ in refused).items():
            self._metrics.refused_connections.labels(reason).inc(count)
        self.flush()
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        logged = refused[: _MAX_LINES_S - self._lines]
        self._lines += len(logged)
        self._unlogged.update(reason for reason, _, _ in refused[len(logged) :])
        if logged:
            lines = [(time_s, {"reason": reason, **fields}) for reason, time_s, fields in logged]
            _logger.warning("refused a connection", extra={"lines": lines})

    def _log_rest(self) -> None:
        counts, self._unlogged = dict(self._unlogged), Counter()
        _logger.warning("refused more connections", extra={"lines": [(time.time(), {"refused": counts})]})
