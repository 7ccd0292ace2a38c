"""The tokenizer queue: turns between requests, slices of large ones, and refusals for a request's own size."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from artifact.manifest import Truncation
from artifact.tokenization import TokenizedText
from server.errors import OverloadedError, TimedOutError
from server.inference.tokenizer_queue import TokenizerQueue
from server.observe.metrics import Metrics
from tests.support.batching import FAR, clock_ahead
from tests.support.classifiers import HeldTokenization
from tests.support.engines import PATIENCE_S
from tests.support.figures import read_figures

pytestmark = pytest.mark.anyio

MAX_CHARS = 1_000_000


class Harness:
    """A queue of a million characters whose thread waits until the test lets it go."""

    def __init__(self, tokenization: HeldTokenization | None = None) -> None:
        self.tokenization = tokenization or HeldTokenization()
        self.metrics = Metrics()
        self.queue = TokenizerQueue(self.tokenization, max_chars=MAX_CHARS, metrics=self.metrics)

    async def ask(self, *texts: str, timeout_s: float = FAR) -> "asyncio.Task[list[TokenizedText]]":
        """Ask as one caller; when this returns the request waits or is refused, and the first one's slice runs."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        task = asyncio.create_task(self.queue.encode(texts, "head", deadline))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(self.tokenization.begun.wait, PATIENCE_S)
        return task

    def order(self) -> list[str]:
        """Return the first character of each slice, in the order in which they ran."""
        return [texts[0][0] for texts in self.tokenization.calls]


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    """Return a queue, and close it."""
    harness = Harness()
    yield harness
    harness.tokenization.may_go.set()
    await harness.queue.close()


async def test_texts_are_answered_in_their_order_whatever_the_slices(harness: Harness) -> None:
    """Long and short texts of one request come back as if they had been tokenized at once."""
    texts = ["a " * 5000, "b", "a b c", "c " * 3000, "d " * 3999, "e"]
    harness.tokenization.may_go.set()
    result = await (await harness.ask(*texts))
    assert harness.tokenization.encode(texts, "head") == result


async def test_a_large_request_is_cut_into_slices(harness: Harness) -> None:
    """A slice has at most 8,000 characters, or one text that is longer."""
    harness.tokenization.may_go.set()
    await (await harness.ask("a" * 3000, "b" * 5000, "c", "d" * 20_000, "e" * 8000, "f"))
    assert [8000, 1, 20_000, 8000, 1] == [sum(map(len, texts)) for texts in harness.tokenization.calls]


async def test_a_review_waits_for_one_slice_of_a_large_request(harness: Harness) -> None:
    """Four callers with batches of long texts wait; a review that comes last is tokenized after the slice that runs."""
    large = [await harness.ask(*["a" * 20_000] * 5) for _ in range(4)]
    review = await harness.ask("r" * 2500)
    harness.tokenization.may_go.set()
    await review
    await asyncio.gather(*large)
    assert ["a", "r", *["a"] * 19] == harness.order()


async def test_large_requests_take_turns(harness: Harness) -> None:
    """Slices of equal size alternate, so that two large requests advance together."""
    tasks = [await harness.ask(*[name * 10_000] * 3) for name in "abc"]
    harness.tokenization.may_go.set()
    await asyncio.gather(*tasks)
    assert list("abcabcabc") == harness.order()


async def test_a_long_text_is_not_overtaken_without_end(harness: Harness) -> None:
    """Shorter requests go first only until they had as many characters together as the long text has."""
    first = await harness.ask("f" * 9000)
    long = await harness.ask("l" * 50_000)
    short = [await harness.ask("s" * 10_000) for _ in range(3)]
    harness.tokenization.may_go.set()
    await asyncio.gather(first, long, *short)
    later = Harness()
    waiting = [await later.ask("f" * 9000), await later.ask("l" * 25_000)]
    waiting += [await later.ask(*["s" * 10_000] * 6)]
    later.tokenization.may_go.set()
    await asyncio.gather(*waiting)
    await later.queue.close()
    assert list("fsssl") == harness.order()
    assert list("fsslssss") == later.order()


async def test_only_large_requests_are_refused_when_much_text_waits(harness: Harness) -> None:
    """A request may take half of the room that is left: the third large one is refused, reviews are not."""
    waiting = [await harness.ask("a" * 450_000), await harness.ask("b" * 270_000)]
    refused = await harness.ask("c" * 150_000)
    waiting += [await harness.ask("r" * 2500) for _ in range(50)]
    with pytest.raises(
        OverloadedError,
        match="the request has 150000 characters, and 720000 of 1000000 wait for tokenization: one request may",
    ) as caught:
        await refused
    assert 0 < caught.value.retry_after_s < 1
    assert 1 == read_figures(harness.metrics.render())["verdict_shed_total{reason=overloaded}"]
    harness.tokenization.may_go.set()
    await asyncio.gather(*waiting)
    await (await harness.ask("c" * 150_000))


async def test_one_request_may_have_any_number_of_characters(harness: Harness) -> None:
    """The bound on waiting text refuses no request while no other text waits."""
    harness.tokenization.may_go.set()
    assert 1 == len(await (await harness.ask("a" * (MAX_CHARS + 1))))


async def test_a_deadline_that_passes_gives_the_request_up(harness: Harness) -> None:
    """It is counted as timed out, its other slices do not run, and its text no longer waits."""
    late = await harness.ask(*["a" * 100_000] * 10, timeout_s=60)
    with clock_ahead(61), pytest.raises(TimedOutError, match="before the texts were tokenized"):
        await late
    assert 1 == read_figures(harness.metrics.render())["verdict_shed_total{reason=timed_out}"]
    harness.tokenization.may_go.set()
    await (await harness.ask("b" * 900_000))
    assert list("ab") == harness.order()


async def test_a_caller_that_leaves_frees_the_thread(harness: Harness) -> None:
    """The slices of a cancelled request do not run, before or after those of others."""
    first, gone, stays = [await harness.ask(*[name * 20_000] * 2) for name in "agb"]
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    harness.tokenization.may_go.set()
    await asyncio.gather(first, stays)
    assert list("abab") == harness.order()


async def test_a_failure_is_the_requests_own() -> None:
    """The tokenizer's library panics on one request: it gets the error, and the next one its answer."""

    class Panic(BaseException):
        pass

    class Failing(HeldTokenization):
        def encode(self, texts: Sequence[str], truncation: Truncation) -> list[TokenizedText]:
            if "z" in texts[0]:
                self.begun.set()
                raise Panic
            return super().encode(texts, truncation)

    harness = Harness(Failing())
    harness.tokenization.may_go.set()
    tasks = [await harness.ask("a" * 3000), await harness.ask("z" * 3000), await harness.ask("b" * 3000)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await harness.queue.close()
    assert [list, Panic, list] == [type(result) for result in results]
