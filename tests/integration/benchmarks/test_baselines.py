"""The baselines give real answers, so that the comparison means something."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum")

from benchmarks.baselines import handwritten, pipelines, replaced
from benchmarks.baselines.app import Predict, create_app
from benchmarks.baselines.models import make_models
from tests.support.checkpoints import MAX_LENGTH, build_checkpoint
from tests.support.tiny import TINY

pytestmark = pytest.mark.development


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The baseline models of a tiny checkpoint, in fp32 and int8."""
    checkpoint = build_checkpoint(tmp_path_factory.mktemp("checkpoint"))
    cache = tmp_path_factory.mktemp("cache")
    return make_models(checkpoint / "tokenizer.json", MAX_LENGTH, checkpoint, cache)


@pytest.mark.parametrize("load", [replaced.load, pipelines.load_transformers, pipelines.load_optimum])
def test_a_baseline_model_gives_probabilities(load: Callable[[Path], Predict], models: Path) -> None:
    """Two that sum to one, for a text of any length."""
    predict = load(models)
    for text in ("good", "a very long and boring film " * 200):
        probabilities = predict(text)
        assert 2 == len(probabilities)
        assert pytest.approx(1, abs=1e-4) == sum(probabilities)


def test_int8_is_close_to_fp32(models: Path) -> None:
    """The speed of a broken model would mean nothing."""
    text = "the film was very good"
    fp32, int8 = pipelines.load_transformers(models)(text), pipelines.load_optimum(models)(text)
    assert pytest.approx(fp32, abs=0.05) == int8


@pytest.mark.anyio
async def test_the_handwritten_server_serves_the_artifact() -> None:
    """It gives the known answer of the artifact's probe."""
    transport = httpx.ASGITransport(create_app(handwritten.load(TINY)))
    async with httpx.AsyncClient(transport=transport, base_url="http://baseline") as client:
        answer = (await client.post("/predict", json={"text": "good"})).json()
        ready = await client.get("/health/ready")
    assert 1 == answer["sentiment"]
    assert pytest.approx([0.064969, 0.935031], abs=1e-5) == answer["probabilities"]
    assert 200 == ready.status_code
