"""The classifier: where texts are tokenized, and which are refused before it."""

import asyncio
import threading

import pytest

from server.errors import InvalidRequestError, OverloadedError, TooLargeError
from server.inference.queue import BatchLimits
from tests.support.batching import one_runs
from tests.support.classifiers import THREE, CountingEngine, HeldTokenization, classifying, make_manifest
from tests.support.engines import EchoEngine, GatedEngine
from tests.support.figures import read_figures

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("chars", "on_loop"), [(2000, True), (2001, False)])
async def test_only_short_texts_are_tokenized_on_the_event_loops_thread(chars: int, *, on_loop: bool) -> None:
    """With several cores, 2,000 characters of a request are; more would hold up the event loop."""
    tokenization = HeldTokenization()
    tokenization.may_go.set()
    async with classifying(CountingEngine(), make_manifest(THREE), tokenization=tokenization) as (classifier, _):
        await classifier.classify(["a" * 1000, "b" * (chars - 1000)], truncation=None, timeout_s=60)
    assert [on_loop] == tokenization.on_loop


async def test_a_review_is_tokenized_on_the_loops_thread_and_others_of_the_same_iteration_on_another() -> None:
    """On one core a second thread saves no time, but a burst of long texts must not hold up the event loop."""
    tokenization = HeldTokenization()
    tokenization.may_go.set()
    async with classifying(CountingEngine(), make_manifest(THREE), inline_chars=5000, tokenization=tokenization) as (
        classifier,
        _,
    ):
        review = " ".join("a" * 1500)
        for _ in range(2):
            burst = [classifier.classify([review], truncation=None, timeout_s=60) for _ in range(5)]
            await asyncio.gather(*burst)
        assert [False] * 8 + [True] * 2 == sorted(tokenization.on_loop)
        await classifier.classify([review * 2], truncation=None, timeout_s=60)
        assert not tokenization.on_loop[-1]


async def test_long_requests_are_tokenized_one_after_the_other() -> None:
    """One thread is enough to fill the queue, and leaves the other cores to inference."""
    tokenization = HeldTokenization()
    async with classifying(CountingEngine(), make_manifest(THREE), tokenization=tokenization) as (classifier, _):
        before = tokenization_threads()
        waiting = [
            asyncio.create_task(classifier.classify(["a" * 2001], truncation=None, timeout_s=60)) for _ in range(3)
        ]
        await asyncio.sleep(0)
        assert 1 == len(tokenization_threads() - before)
        tokenization.may_go.set()
        await asyncio.gather(*waiting)


def tokenization_threads() -> set[threading.Thread]:
    """Return the threads of every tokenizer."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("tokenization")}


async def test_a_full_queue_refuses_before_tokenizing() -> None:
    """A request that can not fit is not tokenized: every text has at least one token."""
    async with classifying(EchoEngine(), make_manifest(("x", "y"))) as (classifier, metrics):
        with pytest.raises(TooLargeError):
            await classifier.classify(["a"] * 100_001, truncation=None, timeout_s=60)
        assert 0 == read_figures(metrics.render())["verdict_tokenize_seconds_count"]


@pytest.mark.parametrize(
    ("texts", "limits"),
    [
        pytest.param(["c"], BatchLimits(1, 256, max_queue_tokens=20, max_row_tokens=18), id="the longest row"),
        pytest.param(["c d e", "f g"], BatchLimits(1, 256, max_queue_tokens=11), id="the words of several"),
    ],
)
async def test_texts_for_which_there_is_no_room_are_not_tokenized(texts: list[str], limits: BatchLimits) -> None:
    """A queue without room for the longest row, or for the words of a batch, refuses before tokenization."""
    engine = GatedEngine(EchoEngine())
    async with classifying(engine, make_manifest(("x", "y")), limits) as (classifier, metrics):
        waiting = await one_runs(engine, *[classifier.classify([t], truncation=None, timeout_s=60) for t in "ab"])
        read = [read_figures(metrics.render())["verdict_tokenize_seconds_count"]]
        with pytest.raises(OverloadedError):
            await asyncio.wait_for(classifier.classify(texts, truncation=None, timeout_s=60), 5)
        read.append(read_figures(metrics.render())["verdict_tokenize_seconds_count"])
        engine.open()
        await asyncio.gather(*waiting)
    assert [2, 2] == read


@pytest.mark.parametrize("text", ["good a", "good " + "a " * 2000])
async def test_tokens_are_shown_for_short_and_long_texts(text: str) -> None:
    """Long ones are tokenized on the tokenizer's thread, in the model's own way of reading or the one that is asked."""
    async with classifying(CountingEngine(), make_manifest(THREE, truncation="head_tail")) as (classifier, _):
        own = await classifier.tokenize(text, truncation=None, timeout_s=60)
        head = await classifier.tokenize(text, truncation="head", timeout_s=60)
    words = text.split()
    assert len(words) + 2 == len(own.tokens) == len(head.tokens)
    assert ("good", 0, 4) == (own.tokens[1].text, own.tokens[1].start, own.tokens[1].stop)
    assert 1 + (len(words) > 14) == len(own.read[0])
    assert 1 == len(head.read[0])


async def test_tokens_of_the_wrong_kind_of_text_are_refused() -> None:
    """A pair is none for a model of single texts."""
    async with classifying(CountingEngine(), make_manifest(THREE)) as (classifier, _):
        with pytest.raises(InvalidRequestError, match="reads single texts"):
            await classifier.tokenize(("a", "b"), truncation=None, timeout_s=60)


async def test_room_is_told_before_texts_are_tokenized() -> None:
    """Half of the queue is full with rows that wait; the whole of it would take more."""
    engine = GatedEngine(CountingEngine())
    limits = BatchLimits(1, 64, 100, 16)
    async with classifying(engine, make_manifest(THREE), limits) as (classifier, _):
        assert classifier.has_room(["a " * 200], share=0.5)
        waiting = [
            asyncio.create_task(classifier.classify(["a " * 12 + letter], truncation=None, timeout_s=60))
            for letter in "abcde"
        ]
        await engine.reached(1)
        room = [classifier.has_room(["a"], share=share) for share in (0.5, 1.0)]
        engine.open()
        await asyncio.gather(*waiting)
    assert [False, True] == room
