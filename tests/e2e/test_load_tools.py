"""Load tools that people use, against the real process: no error, and connections are kept."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from artifact.child import ServedArtifact
from tests.support.process import server_process

pytestmark = pytest.mark.anyio

CALLERS = 4
REQUESTS = 200
BODY = '{"text": "good"}'
LUA = f"wrk.method = 'POST'\nwrk.body = '{BODY}'\nwrk.headers['content-type'] = 'application/json'\n"


class Relay:
    """Passes bytes between callers and a server, and counts connections.

    Args:
        port: of the server.

    Attributes:
        tasks: one for each connection of a caller so far.
    """

    def __init__(self, port: int) -> None:
        self.tasks: list[asyncio.Task[object] | None] = []
        self._port = port

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        self.tasks.append(asyncio.current_task())
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(_pass_on(reader, to_server), _pass_on(from_server, writer))


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()
    with suppress(OSError):
        await target.wait_closed()


@pytest.fixture(scope="module")
def server() -> Iterator[ServedArtifact]:
    """Return a server."""
    with server_process() as process:
        yield process


@asynccontextmanager
async def relaying(server: ServedArtifact) -> AsyncIterator[tuple[str, Relay]]:
    """Yield the URL of predictions behind a relay."""
    relay = Relay(server.port)
    async with await asyncio.start_server(relay.accept, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/predict", relay
        await asyncio.gather(*filter(None, relay.tasks))


async def run(tool: str, *arguments: str) -> str:
    """Return what a tool prints; skip the test where it is not installed."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed; .ci/run installs it from Debian's packages")
    process = await asyncio.create_subprocess_exec(tool, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert 0 == process.returncode, output + errors
    return output.decode()


@pytest.mark.parametrize("keep", [True, False])
async def test_apache_bench(server: ServedArtifact, tmp_path: Path, keep: bool) -> None:
    """It speaks HTTP/1.0: with -k it asks for connections to be kept, without it they end."""
    body = tmp_path / "body.json"
    body.write_text(BODY)
    options = [
        "-n",
        str(REQUESTS),
        "-c",
        str(CALLERS),
        "-p",
        str(body),
        "-T",
        "application/json",
        *(["-k"] if keep else []),
    ]
    async with relaying(server) as (url, relay):
        lines = (await run("ab", "-q", *options, url)).splitlines()
        figures = {
            name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.strip()
        }
        assert (str(REQUESTS), "0") == (figures["Complete requests"], figures["Failed requests"])
        assert "Non-2xx responses" not in figures
        assert (str(REQUESTS) if keep else None) == figures.get("Keep-Alive requests")
        assert (CALLERS if keep else REQUESTS) == pytest.approx(len(relay.tasks), abs=CALLERS)


async def test_hey(server: ServedArtifact) -> None:
    """All answers are 200, over as many connections as there are callers."""
    options = ["-n", str(REQUESTS), "-c", str(CALLERS), "-m", "POST", "-T", "application/json", "-d", BODY]
    async with relaying(server) as (url, relay):
        report = await run("hey", *options, url)
        assert f"[200]\t{REQUESTS} responses" in report
        assert "Error distribution" not in report
        assert 2 * CALLERS >= len(relay.tasks)  # Go may begin one more while it waits for a free one


async def test_wrk(server: ServedArtifact, tmp_path: Path) -> None:
    """No error of a socket and no other status, over as many connections as there are callers."""
    script = tmp_path / "post.lua"
    script.write_text(LUA)
    async with relaying(server) as (url, relay):
        report = await run("wrk", "-t", "1", "-c", str(CALLERS), "-d", "1s", "-s", str(script), url)
        assert "requests in" in report
        assert "Socket errors" not in report
        assert "Non-2xx" not in report
        assert CALLERS >= len(relay.tasks) - 1  # one more looks whether the server is there
