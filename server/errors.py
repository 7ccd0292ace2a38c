"""Domain errors: what can go wrong with a request, as a message for people and a kind for programs.

They know no HTTP: the table in ``server.http.errors`` gives each of them a status.
"""

from typing import ClassVar


class VerdictError(Exception):
    """A request that gets no predictions; the message may be shown to the caller."""

    kind: ClassVar[str]


class InvalidRequestError(VerdictError):
    """The request's shape, type or a value is wrong.

    Args:
        message: what is wrong, and what to send instead.
        wordless: the index of the text of which the model's tokenizer makes no token, where that is wrong.
    """

    kind = "invalid_request"

    def __init__(self, message: str, *, wordless: int | None = None) -> None:
        super().__init__(message)
        self.wordless = wordless


class NoTextError(InvalidRequestError):
    """The request has a list of texts with nothing in it."""


class NotFoundError(VerdictError):
    """The request names a model or a version that is not served."""

    kind = "not_found"


class MalformedBodyError(InvalidRequestError):
    """The body is not JSON."""


class UnsupportedMediaTypeError(InvalidRequestError):
    """The body's media type is not JSON."""


class UnsupportedEncodingError(UnsupportedMediaTypeError):
    """The body is compressed in a way that the server can not read."""


class TooLargeError(VerdictError):
    """The body, a text or the number of texts is over its limit."""

    kind = "too_large"


class UnauthorizedError(VerdictError):
    """An API key is required, and the caller's is missing or wrong."""

    kind = "unauthorized"


class OverloadedError(VerdictError):
    """The server has no room for the request now.

    Args:
        message: what is full, and how full.
        retry_after_s: seconds after which there should be room; for the queue from its measured drain rate.
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


class TextFailedError(VerdictError):
    """The runtime fails on this text alone and goes on with others.

    Args:
        index: of the text in its request; the batcher counts rows.
    """

    kind = "text_failed"

    def __init__(self, index: int) -> None:
        super().__init__(
            f"the model fails on text {index}, alone too; change it or leave it out, sending it again does not help"
        )
        self.index = index


class SlowBodyError(TimedOutError):
    """The body did not arrive in time."""


class ReloadFailedError(VerdictError):
    """A new version of the artifact could not take over; the old one still serves."""

    kind = "reload_failed"


class CallerGoneError(VerdictError):
    """The caller disconnected before its response was ready, so it never sees this error."""

    kind = "caller_gone"
