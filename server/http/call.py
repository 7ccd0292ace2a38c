"""Calls: a request for predictions as endpoints see it: headers, body, deadline, and a caller that may leave."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from starlette.requests import Request
from starlette.types import Receive, Scope

from server.errors import CallerGoneError, SlowBodyError
from server.http.body import Bodies
from server.http.connection.response import has_disconnected
from server.http.errors import ErrorFormat
from server.http.headers import header, patience_s
from server.inference.explain import Explainer
from server.lifecycle import Lifecycle
from server.observe.metrics import Metrics
from server.observe.tracing import Tracing
from server.settings import Settings

T = TypeVar("T")

_CHECK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Services:
    """What serving a request needs of the application.

    Attributes:
        settings: the operator's limits.
        metrics: where requests and texts are counted.
        lifecycle: whether requests are taken, and how many are in flight.
        tracing: where spans go.
        bodies: reads request bodies.
        watch: ends calls that wait for nothing.
        explainer: explains texts in the background.
        error_format: from a path to how its wire format answers with errors.
        probes: routes of formats that need no key, are answered while the server drains, and are not logged.
    """

    settings: Settings
    metrics: Metrics
    lifecycle: Lifecycle
    tracing: Tracing
    bodies: Bodies
    watch: "CallWatch"
    explainer: Explainer
    error_format: Callable[[str], ErrorFormat]
    probes: frozenset[str]


class Call:
    """A request for predictions. It is watched while ``with call: ...`` lasts.

    Args:
        scope: of ASGI.
        receive: of ASGI.
        services: those of the application.
    """

    __slots__ = (
        "_cancelled",
        "_checks",
        "_listens",
        "_reading",
        "_receive",
        "_scope",
        "_task",
        "_watcher",
        "_working",
        "services",
    )

    def __init__(self, scope: Scope, receive: Receive, services: Services) -> None:
        self.services = services
        self._scope = scope
        self._receive = receive
        self._reading = self._working = self._listens = False
        self._checks = 0
        self._cancelled = False
        self._task: asyncio.Task[object] | None = None
        self._watcher: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return FastAPI's request as a call."""
        return cls(request.scope, request.receive, request.app.state.services)

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self.services.watch.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.services.watch.discard(self)
        self._task = None

    def header(self, name: bytes) -> str | None:
        """Return the first header of a name in lower case, or None."""
        return header(self._scope, name)

    @property
    def path_params(self) -> Mapping[str, str]:
        """The parts of the path that its route names."""
        params: Mapping[str, str] = self._scope.get("path_params", {})
        return params

    @property
    def request_id(self) -> str:
        """The id that the response and the log have."""
        own_id: str = self._scope["state"]["request_id"]
        return own_id

    def patience_s(self) -> float:
        """Return how long the call may wait; raises as ``headers.patience_s``."""
        return patience_s(self._scope, self.services.settings.request_timeout_s)

    async def body(self) -> bytes:
        """Return the whole body, inflated.

        Raises:
            SlowBodyError: if it takes longer than the setting ``request_timeout_s`` to arrive.
            VerdictError: as ``Bodies.read``.
        """
        self._checks, self._reading = 0, True
        try:
            announced, encoding = self.header(b"content-length"), self.header(b"content-encoding")
            return await self.services.bodies.read(self._receive, announced, encoding)
        except asyncio.CancelledError as error:
            if not self._has_cancelled():
                raise
            timeout_s = self.services.settings.request_timeout_s
            raise SlowBodyError(
                f"the body did not arrive in {timeout_s:g} s; send it faster or in smaller parts"
            ) from error
        finally:
            self._reading = False

    async def while_connected(self, work: Awaitable[T], *, reads_body: bool = False) -> T:
        """Return what ``work`` returns, but cancel it when the caller disconnects, so that its texts leave the queue.

        Args:
            work: to be awaited.
            reads_body: whether the body is read meanwhile; otherwise it was read before. Where the server is not
                uvicorn, its reader alone is told that the caller disconnects.

        Raises:
            CallerGoneError: if the caller disconnects.
        """
        self._checks, self._working, self._listens = 0, True, not reads_body
        try:
            return await work
        except asyncio.CancelledError as error:
            if not self._has_cancelled():
                raise
            raise CallerGoneError("the caller disconnected before its answer was ready") from error
        finally:  # nothing is awaited: no cancellation can arrive between the work and its response
            self._working = False
            if self._watcher is not None:
                self._watcher.cancel()
                self._watcher = None  # it refers to this call: a reference cycle that only the collector would free

    def tell(self, figures: Callable[[], Mapping[str, float]]) -> None:
        """Put figures into the request's log line and on its span."""
        self._scope["state"]["log_fields"] = figures
        self.services.tracing.annotate(figures)

    def check(self, period_s: float) -> None:
        """Cancel the call if its body is late or its caller has gone.

        A server other than uvicorn tells only those who wait: from the second check on a task does.

        Args:
            period_s: from one check to the next.
        """
        if self._reading:
            if self._checks * period_s >= self.services.settings.request_timeout_s:
                self._cancel()
        elif self._working:
            gone = has_disconnected(self._receive)
            if gone:
                self._cancel()
            elif gone is None and self._listens and self._checks and self._watcher is None:
                self._watcher = asyncio.create_task(self._wait_for_disconnect())
        self._checks += 1

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cancel()

    def _cancel(self) -> None:
        if self._task is not None and not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    def _has_cancelled(self) -> bool:
        """Whether the cancellation that arrives is the call's own, and no other is under way."""
        return self._cancelled and self._task is not None and not self._task.uncancel()


class CallWatch:
    """Check open calls, all of them ten times a second: a timer or a task for each costs more than most would save.

    All state belongs to the event loop's thread.
    """

    def __init__(self) -> None:
        self._calls: set[Call] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: Call) -> None:
        """Check a call from now on."""
        self._calls.add(call)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_CHECK_S, self._check)

    def discard(self, call: Call) -> None:
        """Check a call no more."""
        self._calls.discard(call)

    def close(self) -> None:
        """End the checks; the event loop is about to stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._calls:
            self._timer = asyncio.get_running_loop().call_later(_CHECK_S, self._check)
        for call in self._calls:
            call.check(_CHECK_S)
