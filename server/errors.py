"""Domain errors: what can go wrong with a request, in words for people and a kind for programs.

They know no HTTP. ``server.http.errors`` holds the one table that gives each a status.
"""

from typing import ClassVar


class VerdictError(Exception):
    """A request that is not answered with predictions; the message may be shown to the caller."""

    kind: ClassVar[str]


class InvalidRequestError(VerdictError):
    """The request's shape, type or a value is wrong."""

    kind = "invalid_request"


class MalformedBodyError(InvalidRequestError):
    """The body is not JSON."""


class UnsupportedMediaTypeError(InvalidRequestError):
    """The body is announced as something other than JSON."""


class TooLargeError(VerdictError):
    """The body, a text or the number of texts is over its limit."""

    kind = "too_large"


class UnauthorizedError(VerdictError):
    """An API key is required and the caller's is missing or wrong."""

    kind = "unauthorized"


class OverloadedError(VerdictError):
    """The queue can not take the whole request.

    Args:
        message: what is full and how full.
        retry_after_s: seconds after which the queue should have room, from its measured drain rate.
    """

    kind = "overloaded"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DrainingError(VerdictError):
    """The server is shutting down and takes no new request."""

    kind = "draining"


class NotReadyError(VerdictError):
    """No model is loaded yet."""

    kind = "not_ready"


class TimedOutError(VerdictError):
    """The deadline passed before inference started."""

    kind = "timed_out"


class EngineFailedError(VerdictError):
    """The runtime failed; its own message goes to the log, never to the caller."""

    kind = "engine_failed"


class SlowBodyError(TimedOutError):
    """The body did not arrive in time."""


class ReloadFailedError(VerdictError):
    """Another version of the artifact could not take over; the old one goes on."""

    kind = "reload_failed"


class CallerGoneError(VerdictError):
    """The caller disconnected before its answer was ready; nobody will read this."""

    kind = "caller_gone"
