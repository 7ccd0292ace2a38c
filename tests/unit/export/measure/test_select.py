"""Gates refuse with reasons; the choice is the fastest that passes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx")
from export.build import Built
from export.measure.latency import Latency
from export.measure.quality import Quality
from export.measure.select import Gates, Measured, best, failures
from export.variants import Variant

pytestmark = pytest.mark.development

_FP32 = Quality(1000, 0.92, 0.010, 1.0, 0.0, 0.0, 0.0)


def _row(
    name: str = "row",
    *,
    mix_ms: float = 10.0,
    together_ms: float | None = 1.0,
    baseline: bool = False,
    **changes: float,
) -> Measured:
    quality = replace(_FP32, **{key: value for key, value in changes.items() if hasattr(_FP32, key)})
    return Measured(
        built=Built(Variant(name, "", baseline=baseline), Path(name), ()),
        latency=Latency({}, None, None, mix_ms, together_ms),
        quality=quality,
        batch_variance=changes.get("batch_variance", 0.0),
        size_bytes=int(changes.get("size_bytes", 1000)),
        peak_bytes=0,
        proved=True,
    )


def _candidate(name: str = "row", **figures: Any) -> Measured:
    return replace(_row(name, **figures), proved=False)


def test_a_candidate_like_fp32_passes() -> None:
    """A graph that changes no answer fails no gate, however large it is, if no limit was asked for."""
    assert () == failures(_row(size_bytes=2_000_000_000), _FP32, Gates())
    assert () == failures(_row(), _FP32, Gates())


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"accuracy": 0.9165}, "accuracy"),
        ({"flipped": 0.0081}, "flipped"),
        ({"largest_change": 0.11}, "a score changed"),
        ({"batch_variance": 2e-6}, "batch"),
        ({"calibration_error": 0.0151}, "calibration"),
        ({"size_bytes": 25_000_000}, "MB"),
    ],
)
def test_each_gate_refuses_on_its_own_and_says_why(changes: dict[str, float], word: str) -> None:
    """One figure beyond its limit is one failure with its name."""
    (reason,) = failures(_row(**changes), _FP32, Gates(size_bytes=24_200_000))
    assert word in reason


@pytest.mark.parametrize("changes", [{"calibration_error": 0.0151}, {"flipped": 0.01}, {"accuracy": 0.9125}])
def test_averages_are_judged_on_all_texts_alone(changes: dict[str, float]) -> None:
    """On a part of the texts noise is as large as the limits, and good candidates would fail."""
    row = _row(**changes)
    assert () == failures(replace(row, proved=False), _FP32, Gates())
    assert failures(row, _FP32, Gates())


def test_a_largest_change_is_judged_at_once() -> None:
    """More texts cannot make a largest change smaller."""
    assert failures(replace(_row(largest_change=0.11), proved=False), _FP32, Gates())


def test_a_figure_that_is_not_a_number_fails() -> None:
    """NaN is never within a limit."""
    assert failures(_row(largest_change=float("nan")), _FP32, Gates())


def _order(*rows: Measured) -> list[str]:
    """Return the names in the order in which they are proved if each fails."""
    left, names = {row.name: row for row in rows}, []
    while (row := best(left.values())) is not None:
        names.append(row.name)
        left[row.name] = replace(row, proved=True, failures=("it is wrong",))
    return names


def test_the_fastest_is_proved_first_and_noise_does_not_count() -> None:
    """Within a few percent the one closest to fp32 comes first; baselines and failures are never proved."""
    assert ["closer", "fastest", "slow"] == _order(
        _candidate("slow", mix_ms=20, mean_change=0.0),
        _candidate("fastest", mix_ms=10.0, mean_change=0.02),
        _candidate("closer", mix_ms=10.2, mean_change=0.01),
        _candidate("usual", mix_ms=5, baseline=True),
        replace(_candidate("failed", mix_ms=4), failures=("it is wrong",)),
    )


def test_among_the_fastest_one_that_is_slow_in_micro_batches_waits() -> None:
    """A busy server runs texts together: eight texts separate candidates that are equal on one."""
    assert ["closer", "batches", "fastest", "slow"] == _order(
        _candidate("fastest", mix_ms=10.0, together_ms=1.30, mean_change=0.01),
        _candidate("batches", mix_ms=10.2, together_ms=1.05, mean_change=0.03),
        _candidate("closer", mix_ms=10.1, together_ms=1.0, mean_change=0.02),
        _candidate("slow", mix_ms=12.0, together_ms=0.9, mean_change=0.0),
    )


def test_when_one_fails_those_left_are_compared_anew() -> None:
    """Once the fastest has failed, candidates within the noise of the second fastest count as equal to it."""
    assert ["fastest", "third", "second"] == _order(
        _candidate("fastest", mix_ms=10.0),
        _candidate("second", mix_ms=10.4, together_ms=1.30),
        _candidate("third", mix_ms=10.5, together_ms=1.0),
    )


def test_without_sentences_micro_batches_do_not_count() -> None:
    """Among equally fast candidates the one closest to fp32 comes first."""
    assert ["closer", "fastest"] == _order(
        _candidate("fastest", together_ms=None, mean_change=0.02),
        _candidate("closer", together_ms=None, mean_change=0.01),
    )


def test_nothing_passes_is_no_choice() -> None:
    """Without a candidate there is nothing to prove."""
    assert best([_candidate(baseline=True)]) is None
