"""The policy of one core: what the event loop's own thread does, and what others get in return."""

import asyncio
import functools
import itertools
from collections.abc import Iterable

import pytest

from server.inference.one_core import InlinePolicy
from server.inference.queue import Admission, BatchLimits, Item, Queue
from tests.support.batching import BATCHING_PAYS, make_row

pytestmark = pytest.mark.anyio

BUSY_S = 50e-6
IDLE_S = 5e-6


def make_queue(rows_per_request: Iterable[int], max_queue_tokens: int = 10_000) -> Queue:
    """Return a queue of requests with so many rows each, of five tokens a row."""
    queue = Queue(BatchLimits(1, 32, max_queue_tokens), BATCHING_PAYS)
    order = itertools.count(1)
    for rows in rows_per_request:
        admission = Admission(asyncio.get_running_loop().create_future(), [()] * rows, 0.0)
        for index in range(rows):
            number = next(order)
            queue.add(Item(make_row(number, 5), index, admission, number))
    return queue


async def iterations_for_others(policy: InlinePolicy, ran_s: float, queue: Queue) -> int:
    """Return how many event loop iterations others get before the policy lets the worker go on."""
    loop = asyncio.get_running_loop()
    count = 0

    def iterate() -> None:
        nonlocal count, handle
        count += 1
        handle = loop.call_soon(iterate)

    handle = loop.call_soon(iterate)
    await policy.let_others_run(ran_s, queue)
    handle.cancel()
    return count


def ticking(*steps_s: float) -> "functools.partial[float]":
    """Return a clock that moves by each of these steps when it is read, and by the last one from then on."""
    steps = itertools.chain([0.0], steps_s, itertools.repeat(steps_s[-1]))
    return functools.partial(next, itertools.accumulate(steps))


@pytest.mark.parametrize("cpus", [0.25, 1.0])
async def test_on_one_core_a_short_run_and_a_review_stay_on_the_event_loops_thread(cpus: float) -> None:
    """Inference of up to 35 ms and 8,000 characters, as was measured."""
    policy = InlinePolicy.for_cpus(cpus)
    assert [True, False] == [policy.may_run(seconds) for seconds in (0.035, 0.036)]
    assert [False, True] == [policy.may_tokenize(chars) for chars in (8001, 8000)]


@pytest.mark.parametrize("cpus", [1.5, 2.0, 64.0])
async def test_on_several_cores_everything_has_a_thread(cpus: float) -> None:
    """No run is short enough, no text either, no run is added and others are given no iterations they need not have."""
    policy = InlinePolicy.for_cpus(cpus)
    queue = make_queue([1] * 100)
    assert [False, False] == [policy.may_run(1e-9), policy.may_tokenize(1)]
    assert not policy.may_run_again(0.0, queue, 1.0)
    assert 0 == await iterations_for_others(policy, 1.0, queue)


async def test_texts_of_one_iteration_share_its_characters() -> None:
    """A burst of reviews may not hold up the event loop; the next iteration may tokenize as many again."""
    policy = InlinePolicy(1.0, 1000)
    for _ in range(2):
        assert [True, False, True, False] == [policy.may_tokenize(chars) for chars in (600, 401, 400, 1)]
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("rows_per_request", "max_queue_tokens", "tokens_per_s", "allowed_s"),
    [
        pytest.param([1] * 10, 10_000, 100.0, 0.05, id="a tenth of the half second that the last one waits"),
        pytest.param([1] * 10, 10_000, 0.1, 2.0, id="no longer than one run may take"),
        pytest.param([1] * 10, 100, 100.0, 0.05, id="half full"),
    ],
)
async def test_further_runs_begin_while_no_caller_notices(
    rows_per_request: list[int], max_queue_tokens: int, tokens_per_s: float, allowed_s: float
) -> None:
    """Answers may come later by a tenth of the longest wait in the queue, and by the longest run at most."""
    policy = InlinePolicy(2.0, 0)
    queue = make_queue(rows_per_request, max_queue_tokens)
    assert policy.may_run_again(0.99 * allowed_s, queue, tokens_per_s)
    assert not policy.may_run_again(allowed_s, queue, tokens_per_s)


@pytest.mark.parametrize(
    ("rows_per_request", "max_queue_tokens", "tokens_per_s"),
    [
        pytest.param([1] * 10, 99, 1e-3, id="more than half full: refusals are near"),
        pytest.param([2] + [1] * 8, 10_000, 1e-3, id="the next waits for one row of a large request"),
        pytest.param([1] * 10, 10_000, 0.0, id="the rate is not known"),
    ],
)
async def test_no_further_run_begins_where_a_caller_would_notice(
    rows_per_request: list[int], max_queue_tokens: int, tokens_per_s: float
) -> None:
    """Then the event loop has its next iteration after every run."""
    queue = make_queue(rows_per_request, max_queue_tokens)
    assert not InlinePolicy(2.0, 0).may_run_again(0.0, queue, tokens_per_s)


@pytest.mark.parametrize(
    ("steps_s", "iterations"),
    [
        pytest.param([IDLE_S], 2, id="nothing to do"),
        pytest.param([BUSY_S, BUSY_S, BUSY_S, IDLE_S], 5, id="a request on a new connection"),
        pytest.param([BUSY_S], 201, id="never idle"),
    ],
)
async def test_others_get_iterations_until_one_has_nothing_to_do(steps_s: list[float], iterations: int) -> None:
    """A request on a new connection takes four: it does not wait for a run before each of them."""
    policy = InlinePolicy(2.0, 0, clock=ticking(*steps_s))
    assert iterations == await iterations_for_others(policy, 1e-6, make_queue([1] * 10))


async def test_while_refusals_are_near_others_get_no_more_time_than_the_runs_took() -> None:
    """Refused callers that retry at once do not keep the queue from being worked off."""
    policy = InlinePolicy(2.0, 0, clock=ticking(1.0))
    assert 5 == await iterations_for_others(policy, 3.0, make_queue([1] * 10, max_queue_tokens=99))
    assert 201 == await iterations_for_others(policy, 3.0, make_queue([1] * 10, max_queue_tokens=100))
