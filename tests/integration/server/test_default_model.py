"""The model in the repository: it loads, it is small and good enough, and the same text gets the same score."""

import pytest

from artifact.manifest import load_artifact
from server.app import create_app
from tests.support.process import ROOT
from tests.support.serving import make_settings, serving

DEFAULT = ROOT / "models" / "default"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not (DEFAULT / "manifest.json").exists(), reason="models/default is not in the repository yet"),
]

TEXTS = {
    "A film I will watch again.": "positive",
    "Wonderful from start to finish.": "positive",
    "One of the best performances of her career, funny and deeply moving.": "positive",
    "A complete waste of time.": "negative",
    "Dull, badly acted and twice as long as it should be.": "negative",
    "A dull story, badly acted and far too long. " * 40: "negative",
}


def test_it_is_small_and_measured() -> None:
    """At most 25 MB, with its accuracy on the whole official test split in the manifest, 90 % or more."""
    artifact = load_artifact(DEFAULT)
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) <= 25_000_000
    (official,) = [e for e in artifact.manifest.evaluations if "imdb" in e.dataset.lower() and e.split == "test"]
    assert 25_000 == official.n
    assert official.accuracy >= 0.9


async def test_it_tells_plain_praise_from_plain_blame() -> None:
    """Unambiguous sentences get the obvious label."""
    async with serving(create_app(make_settings(artifact_dir=DEFAULT))) as client:
        answer = await client.post("/predict/batch", json={"texts": list(TEXTS)})
    assert list(TEXTS.values()) == [prediction["label"] for prediction in answer.json()["predictions"]]


async def test_the_same_text_always_gets_the_same_score() -> None:
    """A score has the same digits alone, in a batch, and next to short or long texts."""
    async with serving(create_app(make_settings(artifact_dir=DEFAULT, max_batch_tokens=4096))) as client:
        together = (await client.post("/predict/batch", json={"texts": list(TEXTS)})).json()["predictions"]
        alone = [(await client.post("/predict", json={"text": text})).json() for text in TEXTS]
    assert alone == together
