"""The process: settings, port, application, uvicorn, and what signals do to them.

``main`` returns the exit code: 0 after a clean end, 1 with one clear line where the server can not start.
"""

import argparse
import asyncio
import gc
import logging
import signal
import socket
import sys
import time
from functools import partial
from types import FrameType
from typing import Final, cast

import uvicorn
from starlette.applications import Starlette

from artifact.manifest import ArtifactError
from server.app import create_app
from server.errors import ReloadFailedError
from server.http.connection.protocol import BoundedProtocol
from server.http.connection.shared import Connections
from server.inference.classifier import Classifier
from server.inference.reload import ReloadableClassifier
from server.lifecycle import Lifecycle
from server.memory import Heap, limit_arenas
from server.observe.log import configure_logging
from server.settings import SettingsError, describe_settings, read_settings, unknown_variables

_logger = logging.getLogger("server")
_YOUNGEST, _OLDEST = 0, 2  # generations of the garbage collector
_FULL_COLLECTION_TICKS: Final = 100
"""Ticks of uvicorn, a tenth of a second each, between full garbage collections of an idle server. With thousands of
requests in the queue a full collection blocks the event loop for 0.1 s."""
_FORCED_COLLECTION_TICKS: Final = 6000
"""Ticks between full garbage collections of a server that is never idle."""
_SWEEP_TICKS: Final = 10


class StartupError(Exception):
    """The server can not listen; the message says where and why."""


class DrainingServer(uvicorn.Server):
    """uvicorn that answers admitted requests before it stops listening.

    The first SIGTERM or SIGINT drains, a second one ends at once. uvicorn itself would close its listeners first:
    load balancers would see refused connections instead of a readiness probe that says 503. It would also end the
    process by the signal instead of with exit code 0. SIGHUP reloads the artifact.

    Args:
        config: of uvicorn.
        lifecycle: tells when nothing is in flight.
        classifier: reloaded at SIGHUP.
        heap: trimmed while the server is idle.
        connections: swept once a second, and closed at the end.
        drain_timeout_s: seconds to answer admitted requests.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        lifecycle: Lifecycle,
        classifier: Classifier,
        heap: Heap,
        *,
        connections: Connections,
        drain_timeout_s: float,
    ) -> None:
        super().__init__(config)
        self._classifier = classifier
        self._lifecycle = lifecycle
        self._drain_timeout_s = drain_timeout_s
        self._drain: asyncio.Task[None] | None = None
        self._heap = heap
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then say so."""
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._start_reload)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        _logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)

    async def on_tick(self, counter: int) -> bool:
        """Sweep the connections, and collect garbage: the youngest generation at every tick, all of it while idle.

        A full collection of an idle server is followed by a trim of the heap: the first gives back what loading left.

        Python's own collector counts allocations. Under overload it collects nothing for long while every queued
        request adds objects, and then one collection blocks the event loop for 0.1 s.
        """
        idle = not self._lifecycle.in_flight.count
        full = not counter % _FULL_COLLECTION_TICKS and (idle or not counter % _FORCED_COLLECTION_TICKS)
        gc.collect(_OLDEST if full else _YOUNGEST)
        if full and idle:
            self._heap.trim()
        if not counter % _SWEEP_TICKS:
            self._connections.sweep(self._open())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections in less than a second, then the application, which uvicorn might not."""
        for server in self.servers:
            server.close()
        await self._connections.end(self._open(), self.server_state.tasks)
        await super().shutdown(sockets)
        if self.force_exit:
            await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain; at the second signal end at once."""
        if self._drain is None:  # nothing comes before it is set: the next signal may interrupt this very function
            self._drain = asyncio.get_running_loop().create_task(self._drain_and_exit(signal.Signals(sig)))
        else:
            self.force_exit = self.should_exit = True

    def _start_reload(self) -> None:
        if isinstance(self._classifier, ReloadableClassifier):
            self._reload = asyncio.create_task(_reload(self._classifier))

    def _open(self) -> set[BoundedProtocol]:
        return cast("set[BoundedProtocol]", self.server_state.connections)

    async def _drain_and_exit(self, signal_: signal.Signals) -> None:
        try:
            _logger.info("%s: draining for at most %g s", signal_.name, self._drain_timeout_s)
            self._connections.end_keep_alive(self._open())
            loop = asyncio.get_running_loop()
            deadline_s = loop.time() + self._drain_timeout_s
            unanswered = await self._lifecycle.drain(self._drain_timeout_s)
            if unanswered:
                _logger.warning("%d requests were not answered in %g s", unanswered, self._drain_timeout_s)
            await self._connections.flush(self._open(), deadline_s - loop.time())
        finally:
            self.should_exit = True


async def _reload(classifier: ReloadableClassifier) -> None:
    try:
        await classifier.reload()
    except ReloadFailedError as error:
        _logger.warning("reload failed: %s", error)


def main() -> int:
    """Serve; return the exit code."""
    _parse_arguments()
    try:
        _serve()
    except (SettingsError, StartupError, ArtifactError) as error:
        reason = " ".join(str(error).split())  # libraries below may have sent several lines
        logging.shutdown()  # writes what waits: this line is the last one
        print(f"verdict: {reason}", file=sys.stderr)  # noqa: T201 - the one line that says why
        return 1
    return 0


def _serve() -> None:
    started = time.perf_counter()
    settings = read_settings()
    log = configure_logging(settings.log_level, settings.log_format)
    for name in unknown_variables():
        _logger.warning("%s is not a setting; python -m server --help lists them", name)
    limit_arenas(settings.inference_workers)
    with _bind(settings.host, settings.port) as listener:
        app = create_app(settings)
        log.on_drop = app.state.metrics.log_lines_dropped.inc
        model = app.state.classifier.info
        _logger.info(
            "%s %s (%s) loaded in %.2f s",
            model.name,
            model.version,
            model.quantization,
            time.perf_counter() - started,
        )
        config = uvicorn_config(app)
        _listen(listener, config.backlog)
        # What was loaded stays for good; ``on_tick`` collects the rest.
        gc.collect()
        gc.freeze()
        gc.disable()
        server = DrainingServer(
            config,
            app.state.lifecycle,
            app.state.classifier,
            app.state.heap,
            connections=app.state.connections,
            drain_timeout_s=settings.drain_timeout_s,
        )
        server.run(sockets=[listener])
        app.state.metrics.ledger.flush()  # requests that ended with the event loop, at a second signal
    _logger.info("stopped")


def _parse_arguments() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m server",
        description="Serve a text classification artifact over HTTP.",
        epilog="Settings, from the environment:\n\n" + describe_settings(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=["serve"], default="serve", help="the only one")
    parser.parse_args()


def _bind(host: str, port: int) -> socket.socket:
    """Reserve the address before the model is loaded, without listening on it yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, TypeError) as error:  # TypeError: no host is called like that
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise StartupError(
            f"can not listen on {host}:{port}: {reason}; choose another VERDICT_HOST or VERDICT_PORT"
        ) from error
    return listener


def _listen(listener: socket.socket, backlog: int) -> None:
    """Open the port. uvloop does so again, but would not report that another process has opened it meanwhile."""
    try:
        listener.listen(backlog)
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise StartupError(f"can not listen on {host}:{port}: {error.strerror}; choose another VERDICT_PORT") from error


def uvicorn_config(app: Starlette) -> uvicorn.Config:
    """Return how uvicorn serves the application of ``create_app``."""
    return uvicorn.Config(
        app.state.fast_path or app,
        loop="uvloop",
        http=partial(BoundedProtocol, app.state.connections),  # type: ignore[arg-type]  # it is only called
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=app.state.settings.keep_alive_s,
        timeout_graceful_shutdown=5,
    )
