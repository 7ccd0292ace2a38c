"""Calls: late bodies and callers that leave."""

import asyncio
from typing import Any

import pytest

from server.app import create_app
from server.errors import CallerGoneError, SlowBodyError
from server.http import call
from server.http.call import Call
from tests.support.classifiers import FakeClassifier
from tests.support.serving import make_settings

pytestmark = pytest.mark.anyio

BODY = {"type": "http.request", "body": b"{}", "more_body": False}
MORE = {"type": "http.request", "body": b"{", "more_body": True}
GONE = {"type": "http.disconnect"}


class Caller:
    """A caller that sends some messages, and more on demand."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for message in messages:
            self.send(message)

    def send(self, message: dict[str, Any]) -> None:
        """Send another message."""
        self._messages.put_nowait(message)

    async def receive(self) -> dict[str, Any]:
        """Return the next message."""
        return await self._messages.get()


def make_call(caller: Caller, **settings: Any) -> Call:
    """Return a call of this caller."""
    app = create_app(make_settings(**settings), FakeClassifier())
    return Call({"type": "http", "headers": []}, caller.receive, app.state.services)


@pytest.fixture
def _fast_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check calls a thousand times a second."""
    monkeypatch.setattr(call, "_CHECK_S", 0.001)


async def read_body(caller: Caller, **settings: Any) -> bytes:
    """Return the body that a call reads from this caller."""
    with make_call(caller, **settings) as each:
        return await asyncio.wait_for(each.body(), 20)


@pytest.mark.parametrize("messages", [[], [MORE]], ids=["nothing", "half of it"])
@pytest.mark.usefixtures("_fast_checks")
async def test_a_body_that_is_late_is_given_up(messages: list[dict[str, Any]]) -> None:
    """The time limit of a request also applies to its body."""
    started_s = asyncio.get_running_loop().time()
    late = make_call(Caller(*messages), request_timeout_s=0.01)
    with late, pytest.raises(SlowBodyError, match=r"did not arrive in 0\.01 s; send it faster"):
        await late.body()
    assert 0.01 <= asyncio.get_running_loop().time() - started_s


async def test_a_body_in_parts_is_read_whole() -> None:
    """The parts may arrive at any time."""
    caller = Caller(MORE)
    reading = asyncio.create_task(read_body(caller))
    await asyncio.sleep(0)
    caller.send(MORE | {"body": b'"a": '})
    await asyncio.sleep(0)
    caller.send(BODY | {"body": b"1}"})
    assert b'{"a": 1}' == await reading


@pytest.mark.parametrize("messages", [[], [MORE]], ids=["nothing", "half of it"])
async def test_a_caller_that_leaves_before_its_body_is_complete_has_gone(messages: list[dict[str, Any]]) -> None:
    """A partial body is not a request."""
    with pytest.raises(CallerGoneError, match="before its body was complete"):
        await read_body(Caller(*messages, GONE))


async def wait_forever() -> None:
    """Work until cancelled."""
    await asyncio.Event().wait()


@pytest.mark.usefixtures("_fast_checks")
async def test_work_ends_when_the_caller_leaves() -> None:
    """The work is cancelled, and the call raises the reason instead of the cancellation."""
    caller = Caller(BODY)
    with make_call(caller) as left:
        assert b"{}" == await left.body()
        caller.send(GONE)
        with pytest.raises(CallerGoneError, match="before its answer was ready"):
            await left.while_connected(wait_forever())
    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()


@pytest.mark.usefixtures("_fast_checks")
async def test_work_that_ends_first_is_not_disturbed() -> None:
    """The result is returned, and no task continues to wait for the caller."""
    others = asyncio.all_tasks()

    async def work() -> str:
        while asyncio.all_tasks() == others:  # noqa: ASYNC110 - until the call is watched
            await asyncio.sleep(0)
        return "done"

    with make_call(Caller(BODY)) as stays:
        await stays.body()
        assert "done" == await stays.while_connected(work())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert others == asyncio.all_tasks()


@pytest.mark.usefixtures("_fast_checks")
@pytest.mark.parametrize("phase", ["body", "work"])
async def test_a_cancellation_from_outside_stays_one(phase: str) -> None:
    """A cancellation by the server also ends a watched request."""

    async def serve() -> None:
        with make_call(Caller()) as watched:
            begun.set()
            await (watched.body() if phase == "body" else watched.while_connected(wait_forever()))

    begun = asyncio.Event()
    task = asyncio.create_task(serve())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_call_whose_work_reads_the_body_leaves_all_of_it_to_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server is not uvicorn, a watch that received as well would take parts of the body."""
    checks: list[Any] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda _, function: checks.append(function))
    caller = Caller(MORE)

    async def read() -> list[dict[str, Any]]:
        first = await caller.receive()
        for _ in range(3):
            checks.pop()()
            await asyncio.sleep(0)
        caller.send(BODY)
        await asyncio.sleep(0)
        return [first, await caller.receive()]

    with make_call(caller) as watched:
        assert [MORE, BODY] == await watched.while_connected(read(), reads_body=True)


async def test_a_short_call_has_no_task_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watching starts at a call's second check, so most calls are never watched; checks end with the calls."""
    checks: list[Any] = []

    def call_later(_: float, function: Any) -> object:
        checks.append(function)
        return object()

    async def work() -> None:
        for expected in (0, 0, 1, 1):
            assert expected == len(asyncio.all_tasks() - others)
            assert 1 == len(checks)
            checks.pop()()

    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", call_later)
    others = asyncio.all_tasks()
    with make_call(Caller(BODY)) as short:
        checks[-1]()
        del checks[0]
        await short.body()
        await short.while_connected(work())
    checks.pop()()
    assert [] == checks
