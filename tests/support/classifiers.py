"""A classifier for tests of the HTTP side: its answers are known, its error is given by the test."""

from collections.abc import Mapping, Sequence

from artifact.manifest import Truncation
from server.inference.classifier import Classification, ModelInfo, Prediction


class FakeClassifier:
    """Call a text positive if it contains "good", or raise the given error.

    Args:
        error: raised instead of an answer.

    Attributes:
        calls: (texts, truncation, timeout_s) of every call.
        events: "start" and "close", in their order.
    """

    info = ModelInfo(
        name="fake",
        version="7",
        labels=("negative", "positive"),
        max_length=64,
        truncation="head",
        quantization="none",
    )
    runtime: Mapping[str, object] = {"max_batch_tokens": 128}

    def __init__(self, error: BaseException | None = None) -> None:
        self.calls: list[tuple[list[str], Truncation | None, float]] = []
        self.events: list[str] = []
        self._error = error

    async def start(self) -> None:
        """Record the call."""
        self.events.append("start")

    async def close(self) -> None:
        """Record the call."""
        self.events.append("close")

    async def classify(
        self, texts: Sequence[str], *, truncation: Truncation | None, timeout_s: float
    ) -> Classification:
        """Record the call; answer or fail at once."""
        self.calls.append((list(texts), truncation, timeout_s))
        if self._error:
            raise self._error
        return Classification([_predict(text) for text in texts], 0.0012345, 0.01, 0.5)


def _predict(text: str) -> Prediction:
    probabilities = [0.125, 0.875] if "good" in text else [0.75, 0.25]
    best = int("good" in text)
    return Prediction(best, ("negative", "positive")[best], probabilities, len(text.split()) + 2, truncated=False)
