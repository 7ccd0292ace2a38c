"""Reload: the next version takes over between two requests, or the old one stays."""

import asyncio
import logging
import weakref
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from artifact.manifest import ArtifactError
from server.errors import ReloadFailedError
from server.inference.classifier import Classification
from server.inference.reload import ReloadableClassifier
from server.memory import Heap
from server.observe.metrics import Metrics
from tests.support.classifiers import FakeClassifier
from tests.support.figures import read_figures

pytestmark = pytest.mark.anyio


class Held(FakeClassifier):
    """A classifier whose answers wait until they are released."""

    def __init__(self) -> None:
        super().__init__()
        self.began = asyncio.Event()
        self.release = asyncio.Event()

    async def classify(self, *args: Any, **kwargs: Any) -> Classification:
        """Wait, then answer; it must not be closed meanwhile."""
        self.began.set()
        await self.release.wait()
        assert "close" not in self.events
        return await super().classify(*args, **kwargs)


class Announced(FakeClassifier):
    """A classifier with an event that is set when it has started."""

    def __init__(self) -> None:
        super().__init__()
        self.started = asyncio.Event()

    async def start(self) -> None:
        """Start and set the event."""
        await super().start()
        self.started.set()


class Counting(FakeClassifier):
    """A classifier that lets its texts be counted by the ledger, as the real one does."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    async def classify(self, *args: Any, **kwargs: Any) -> Classification:
        """Answer and record it."""
        self._metrics.ledger.record(self._count, 1)
        return await super().classify(*args, **kwargs)

    def _count(self, texts: list[int]) -> None:
        self._metrics.truncated.inc(sum(texts))


async def ask(classifier: ReloadableClassifier) -> Classification:
    """Ask for one text."""
    return await classifier.classify(["good"], truncation=None, timeout_s=60)


async def test_requests_end_with_the_version_they_began_with() -> None:
    """The old version answers the requests that it began and is closed then; the new one answers all others at once."""
    old, new = Held(), Announced()
    versions: list[FakeClassifier] = [old, new]
    classifier = ReloadableClassifier(lambda: versions.pop(0), Metrics(), Heap(0, None))
    await classifier.start()
    begun = asyncio.create_task(ask(classifier))
    await old.began.wait()
    reload = asyncio.create_task(classifier.reload())
    await new.started.wait()
    await ask(classifier)
    assert (1, ["start"]) == (len(new.calls), new.events)
    assert (False, ["start"]) == (reload.done(), old.events)
    old.release.set()
    assert 1 == len((await begun).predictions)
    await reload
    assert ["start", "close"] == old.events
    await classifier.close()
    assert ["start", "close"] == new.events


async def test_a_reload_shows_the_new_version_in_metrics_and_log(caplog: pytest.LogCaptureFixture) -> None:
    """An operator sees which version serves and which one it replaced."""
    caplog.set_level(logging.INFO)

    class Next(FakeClassifier):
        info = replace(FakeClassifier.info, version="8")

    versions: list[FakeClassifier] = [FakeClassifier(), Next()]
    metrics = Metrics()
    metrics.show_model("fake", "7", "none")
    classifier = ReloadableClassifier(lambda: versions.pop(0), metrics, Heap(0, None))
    await classifier.reload()
    shown = [name for name in read_figures(metrics.render()) if "model_info" in name]
    assert 1 == len(shown)
    assert "version=8" in shown[0]
    assert "8" == classifier.info.version
    assert ["fake 8 took over from 7"] == [record.getMessage() for record in caplog.records]


async def test_an_artifact_that_can_not_be_loaded_changes_nothing() -> None:
    """The old version goes on, and the message names it and the reason."""
    versions: list[Any] = [FakeClassifier(), ArtifactError("model.onnx is damaged")]

    def load() -> FakeClassifier:
        version = versions.pop(0)
        if isinstance(version, ArtifactError):
            raise version
        return version

    classifier = ReloadableClassifier(load, Metrics(), Heap(0, None))
    await classifier.start()
    with pytest.raises(ReloadFailedError, match=r"fake 7 stays: model\.onnx is damaged"):
        await classifier.reload()
    assert 1 == len((await ask(classifier)).predictions)
    await classifier.close()


async def test_one_reload_at_a_time() -> None:
    """Of two reloads at the same time one is done and one refused; every version is closed in the end."""
    versions = [FakeClassifier() for _ in range(2)]
    loaded = list(versions)
    classifier = ReloadableClassifier(lambda: versions.pop(0), Metrics(), Heap(0, None))
    await classifier.start()
    outcomes = await asyncio.gather(classifier.reload(), classifier.reload(), return_exceptions=True)
    assert [type(None), ReloadFailedError] == [type(outcome) for outcome in outcomes]
    await classifier.close()
    assert [["start", "close"]] * 2 == [version.events for version in loaded]


async def test_a_first_artifact_that_can_not_be_loaded_is_an_error_at_once() -> None:
    """The constructor raises, because there is no server without a model."""

    def load() -> FakeClassifier:
        raise ArtifactError("missing")

    with pytest.raises(ArtifactError, match="missing"):
        ReloadableClassifier(load, Metrics(), Heap(0, None))


async def test_info_and_runtime_are_those_of_the_version_that_is_served() -> None:
    """Both describe the classifier that answers."""
    classifier = ReloadableClassifier(FakeClassifier, Metrics(), Heap(0, None))
    assert (FakeClassifier.info, FakeClassifier.runtime) == (classifier.info, classifier.runtime)


@pytest.mark.parametrize("loads", [True, False], ids=["taken over", "failed"])
async def test_a_reload_gives_memory_back(monkeypatch: pytest.MonkeyPatch, *, loads: bool) -> None:
    """The heap is trimmed after a reload, whoever asked for it: a server that is never idle would keep the holes.

    The previous version is gone by then, although its last predictions waited to be counted.
    """
    metrics = Metrics()
    versions: list[Any] = [Counting(metrics), Counting(metrics) if loads else ArtifactError("damaged")]
    first = weakref.ref(versions[0])
    gone: list[bool] = []
    monkeypatch.setattr(Heap, "trim", lambda _, *, always: gone.append(always and first() is None))

    def load() -> FakeClassifier:
        version = versions.pop(0)
        if isinstance(version, ArtifactError):
            raise version
        return version

    classifier = ReloadableClassifier(load, metrics, Heap(0, None))
    await classifier.start()
    await ask(classifier)
    with nullcontext() if loads else pytest.raises(ReloadFailedError):
        await classifier.reload()
    assert [loads] == gone
    await classifier.close()


async def test_room_and_tokens_are_those_of_the_version_that_is_served() -> None:
    """Both are asked of the classifier that answers."""
    classifier = ReloadableClassifier(FakeClassifier, Metrics(), Heap(0, None))
    assert classifier.has_room(["a"], share=0.5)
    located = await classifier.tokenize("ab", truncation=None, timeout_s=60)
    assert ["<", "a", "b", ">"] == [token.text for token in located.tokens]
