"""Reload: a new version of the artifact replaces the old one between two requests, or the old one stays.

The new version is checked, loaded, warmed up and asked its known answers while the old one serves, so both are in
memory for a while. Requests that began with the old version end with it; then it is closed.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from artifact.manifest import ArtifactError, TextOrPair, Truncation
from artifact.tokenization import LocatedText
from server.errors import ReloadFailedError
from server.inference.classifier import Classification, Classifier, ModelInfo
from server.lifecycle import InFlight
from server.memory import Heap
from server.observe.metrics import Metrics
from server.settings import SettingsError

_logger = logging.getLogger(__name__)


class ReloadableClassifier:
    """A classifier that delegates to the one loaded last.

    Args:
        load: returns a classifier; called once by the constructor, and on another thread for every reload.
        metrics: where the model that is served is named.
        heap: trimmed after every reload: a busy server has no idle time for that.

    Raises:
        ArtifactError: if the first classifier can not be loaded.
    """

    def __init__(self, load: Callable[[], Classifier], metrics: Metrics, heap: Heap) -> None:
        self._load = load
        self._metrics = metrics
        self._heap = heap
        self._current = load()
        self._in_flight = InFlight()
        self._reloading = asyncio.Lock()

    @property
    def info(self) -> ModelInfo:
        """The model that is served now."""
        return self._current.info

    @property
    def runtime(self) -> Mapping[str, object]:
        """Figures of that model on this machine, for ``/info``."""
        return self._current.runtime

    async def start(self) -> None:
        """Start the first classifier."""
        await self._current.start()

    async def close(self) -> None:
        """Close the classifier that is served."""
        await self._current.close()

    async def classify(
        self, texts: Sequence[TextOrPair], *, truncation: Truncation | None, timeout_s: float, background: bool = False
    ) -> Classification:
        """Classify with the classifier that is served when the request begins."""
        with self._in_flight:
            classify = self._current.classify
            return await classify(texts, truncation=truncation, timeout_s=timeout_s, background=background)

    def has_room(self, texts: Sequence[TextOrPair], *, share: float) -> bool:
        """Whether the classifier that is served now has room."""
        return self._current.has_room(texts, share=share)

    async def tokenize(self, text: TextOrPair, *, truncation: Truncation | None, timeout_s: float) -> LocatedText:
        """Tokenize with the classifier that is served when the request begins."""
        with self._in_flight:
            return await self._current.tokenize(text, truncation=truncation, timeout_s=timeout_s)

    async def reload(self) -> None:
        """Load a new classifier, serve it, and close the previous one once its last request is answered.

        Raises:
            ReloadFailedError: if the new one can not be loaded (the previous one goes on), or if another reload is
                under way.
        """
        if self._reloading.locked():
            raise ReloadFailedError("another reload is under way; wait for it")
        async with self._reloading:
            try:
                await self._replace()
            finally:
                self._heap.trim(always=True)  # no local variable refers to the previous classifier any more

    async def _replace(self) -> None:
        try:
            replacement = await asyncio.to_thread(self._load)
        except (ArtifactError, SettingsError) as error:
            raise ReloadFailedError(f"{self.info.name} {self.info.version} stays: {error}") from error
        await replacement.start()
        previous, self._current = self._current, replacement
        in_flight, self._in_flight = self._in_flight, InFlight()
        self._metrics.show_model(self.info.name, self.info.version, self.info.quantization)
        _logger.info("%s %s took over from %s", self.info.name, self.info.version, previous.info.version)
        await in_flight.none()
        await previous.close()
        self._metrics.ledger.flush()  # it refers to the previous classifier, whose predictions it has not counted yet
