"""The admission check: for which rows the queue has room, and when to retry."""

import asyncio
import math

import pytest

from server.errors import OverloadedError, TooLargeError
from server.inference.admission_check import AdmissionCheck
from server.inference.queue import Admission, BatchLimits, Item, Queue
from server.observe.metrics import Metrics
from tests.support.batching import BATCHING_PAYS, ManualClock, make_row
from tests.support.figures import read_figures

pytestmark = pytest.mark.anyio


def make_check(queued: int, *, workers: int = 1, **more_limits: int) -> tuple[AdmissionCheck, Metrics]:
    """Return the check of a queue that may hold 100 tokens and holds one row of so many."""
    limits = BatchLimits(4, 32, max_queue_tokens=100, **more_limits)
    queue = Queue(limits, BATCHING_PAYS)
    if queued:
        admission = Admission(asyncio.get_running_loop().create_future(), [()], 0.0)
        queue.add(Item(make_row(1, queued), 0, admission, 1))
    metrics = Metrics()
    return AdmissionCheck(queue, limits, workers=workers, metrics=metrics, clock=ManualClock()), metrics


def retry_after_s(check: AdmissionCheck, tokens: int) -> float:
    """Return when rows of so many tokens, which must be refused, may come again."""
    with pytest.raises(OverloadedError) as caught:
        check.check(tokens)
    return caught.value.retry_after_s


async def test_rows_fit_up_to_the_last_token() -> None:
    """The limit itself is allowed; one token more is refused with both figures and is counted."""
    check, _ = make_check(99)
    check.check(1)
    check, metrics = make_check(60)
    check.check(40)
    with pytest.raises(OverloadedError, match="holds 60 of 100 tokens and has no room for 41 more"):
        check.check(41)
    assert 1 == read_figures(metrics.render())["verdict_shed_total{reason=overloaded}"]


@pytest.mark.parametrize("queued", [0, 60])
async def test_rows_that_no_queue_could_hold_are_too_large(queued: int) -> None:
    """To retry can not help them, so the error is another one and counts as no overload."""
    check, metrics = make_check(queued)
    with pytest.raises(TooLargeError, match="has 101 tokens, more than the 100"):
        check.check(101)
    assert "verdict_shed_total{reason=overloaded}" not in read_figures(metrics.render())


async def test_a_queue_without_room_for_the_longest_row_has_none_for_a_short_one() -> None:
    """Under overload short rows would else take all the room, and long rows would never be admitted."""
    refusing, _ = make_check(61, max_row_tokens=40)
    with pytest.raises(OverloadedError, match="has no room for 40 more"):
        refusing.check(2)
    admitting, _ = make_check(60, max_row_tokens=40)
    admitting.check(2)


async def test_rows_that_need_no_run_need_no_room() -> None:
    """A request whose rows are all known or running adds no token to the queue, however full it is."""
    check, _ = make_check(100, max_row_tokens=40)
    check.check(0)


async def test_retry_after_is_one_second_before_the_first_run() -> None:
    """Without a measured rate, the shortest time that the header can say."""
    check, _ = make_check(60)
    assert [1.0, 1.0] == [retry_after_s(check, tokens) for tokens in (41, 100)]


@pytest.mark.parametrize(("tokens", "seconds"), [(41, 0.2), (45, 1.0), (46, 1.2), (100, 12.0)])
async def test_the_first_refused_caller_waits_for_the_excess_over_the_measured_rate(
    tokens: int, seconds: float
) -> None:
    """At 5 tokens a second, 5 tokens too many take a second, 60 take twelve."""
    check, _ = make_check(60)
    check.record_run(10, 2.0)
    assert pytest.approx(seconds) == retry_after_s(check, tokens)


async def test_retry_after_counts_the_room_that_a_longest_row_needs() -> None:
    """A short row waits until the longest would fit: at 5 tokens a second, 20 tokens too many take 4 seconds."""
    check, _ = make_check(80, max_row_tokens=40)
    check.record_run(10, 2.0)
    assert pytest.approx(4.0) == retry_after_s(check, 2)


async def test_more_workers_drain_the_queue_faster() -> None:
    """Each of them runs at the measured rate."""
    check, _ = make_check(60, workers=3)
    check.record_run(10, 2.0)
    assert pytest.approx(4.0) == retry_after_s(check, 100)


async def test_refused_callers_come_back_one_after_the_other() -> None:
    """Each after the work of those before it: 10 tokens take 2 seconds. The last ones start anew: 40 are over 40 s."""
    check, _ = make_check(100)
    check.record_run(10, 2.0)
    waits_s = [retry_after_s(check, 10) for _ in range(23)]
    assert pytest.approx([2.0 + 2 * index for index in range(21)] + [2.0, 4.0]) == waits_s


class Burst:
    """Callers that all come at once to a queue and come back as told; a tenth of a second passes at a time.

    Attributes:
        refusals: of each caller.
    """

    def __init__(self, callers: int, *, tokens: int, limit: int, rate: float) -> None:
        self.refusals = [0] * callers
        limits = BatchLimits(4, 32, max_queue_tokens=limit, max_row_tokens=256)
        clock = ManualClock()
        queue = Queue(limits, BATCHING_PAYS)
        check = AdmissionCheck(queue, limits, workers=1, metrics=Metrics(), clock=clock)
        check.record_run(int(rate), 1.0)
        due_s = [clock.now_s] * callers
        while any(due_s):
            for caller in [caller for caller, at in enumerate(due_s) if 0 < at <= clock.now_s]:
                try:
                    check.check(tokens)
                    queue.tokens += tokens
                    due_s[caller] = 0
                except OverloadedError as error:
                    self.refusals[caller] += 1
                    due_s[caller] = clock.now_s + math.ceil(error.retry_after_s)
            queue.tokens = max(0, queue.tokens - round(rate / 10))
            clock.now_s += 0.1


@pytest.mark.parametrize("callers", [90, 130, 170])
async def test_callers_that_wait_as_told_are_let_in(callers: int) -> None:
    """The queue lasts 15 s and holds 60 of them: nine in ten of the refused are let in when they come back."""
    burst = Burst(callers, tokens=256, limit=15_360, rate=1024)
    refused = [count for count in burst.refusals if count]
    assert callers - 60 == len(refused)
    assert sum(count == 1 for count in refused) >= 0.9 * len(refused)
    assert max(refused) <= 2


async def test_the_rate_follows_recent_runs() -> None:
    """The first run sets it, and each later one moves it by a tenth of the difference."""
    check, _ = make_check(0)
    rates = []
    for seconds in (1.0, 0.75, 10.0):
        check.record_run(100, seconds)
        rates.append(check.tokens_per_s)
    assert pytest.approx([100.0, 100 + 10 / 3, 94.0]) == rates


async def test_a_run_too_short_for_the_clock_gives_a_rate_all_the_same() -> None:
    """It counts as a microsecond: no division by zero."""
    check, _ = make_check(0)
    check.record_run(10, 0.0)
    assert pytest.approx(10e6) == check.tokens_per_s


@pytest.mark.parametrize(
    ("queued", "tokens", "share", "room"),
    [(0, 1000, 0.5, True), (1, 10, 0.5, True), (41, 10, 0.5, False), (41, 10, 1, True)],
)
async def test_a_share_of_the_queue_has_room_or_not(queued: int, tokens: int, share: float, *, room: bool) -> None:
    """Rows that wait count, and an empty queue takes any; nothing is refused or counted by the question."""
    check, metrics = make_check(queued)
    assert room == check.has_room(tokens, share)
    metrics.ledger.flush()
    assert 0 == read_figures(metrics.render()).get("verdict_shed_total{reason=overloaded}", 0)
