"""Select: the gates that every candidate must pass, and the choice among those that pass."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from artifact.figures import MAIN, NAMES
from export.build import Built
from export.measure.latency import Latency
from export.measure.quality import Quality

_SAME_SPEED: Final = 1.03
"""Latencies within this ratio count as equal: repeated runs of one graph differ by as much."""
_SAME_TOGETHER: Final = 1.10
"""The same in a micro-batch: graphs of the same operators differ by 6 %, one that computes padding by 25 %."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Limits for a candidate, compared with fp32 on the same texts.

    Attributes:
        accuracy_points: percentage points of accuracy, of micro F1 (multi-label) or of correlation (regression).
        flipped: share of decisions that change; see ``Quality``.
        largest_change: of a score.
        batch_variance: largest change of a score between alone and in a batch.
        calibration_points: percentage points of expected calibration error.
        size_bytes: of the graph; None where any size will do.
    """

    accuracy_points: float = 0.3
    flipped: float = 0.008
    largest_change: float = 0.10
    batch_variance: float = 1e-6
    calibration_points: float = 0.5
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of one variant.

    Attributes:
        accuracy_gain: of the main figure over fp32 on the same texts; None where they have no labels.
        proved: whether it was measured on all texts.
        failures: the gates that it fails, in words.
    """

    built: Built
    latency: Latency
    quality: Quality
    batch_variance: float
    size_bytes: int
    peak_bytes: int
    accuracy_gain: float | None = None
    proved: bool = False
    failures: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.built.variant.name


def failures(measured: Measured, reference: Quality, gates: Gates) -> tuple[str, ...]:
    """Return the gates that a candidate fails, in words with both numbers; empty where it passes.

    Averages are judged on all texts only: of the 400 texts on which every candidate is measured, one flipped label is
    a quarter of a percent. Largest changes and the size are judged at once: more texts cannot make them smaller.
    """
    found, proved = measured.quality, measured.proved
    lost = _points(reference.main, found.main)
    worse = _points(found.calibration_error, reference.calibration_error)
    checks = (
        (
            lost <= gates.accuracy_points or not proved,
            f"{_main_name(found)} {lost:.2f} points under fp32, allowed {gates.accuracy_points}",
        ),
        (
            found.flipped <= gates.flipped or not proved,
            f"{found.flipped:.2%} of decisions flipped, allowed {gates.flipped:.1%}",
        ),
        (
            found.largest_change <= gates.largest_change,
            f"a score changed by {found.largest_change:.3f}, allowed {gates.largest_change}",
        ),
        (
            measured.batch_variance <= gates.batch_variance,
            f"a score changes by {measured.batch_variance:.1e} with its batch, allowed {gates.batch_variance:.0e}",
        ),
        (
            worse <= gates.calibration_points or not proved,
            f"calibration {worse:.2f} points worse, allowed {gates.calibration_points}",
        ),
    )
    return (
        *(words for passed, words in checks if not passed),
        *exceeds_size(measured.size_bytes, gates),
    )


def exceeds_size(size_bytes: int, gates: Gates) -> tuple[str, ...]:
    """Return in words that a graph is larger than the limit; empty where it is not, or there is no limit."""
    if gates.size_bytes is None or size_bytes <= gates.size_bytes:
        return ()
    return (f"{size_bytes / 1e6:.1f} MB, allowed {gates.size_bytes / 1e6:.1f}",)


def _main_name(found: Quality) -> str:
    return next((NAMES[name] for name in found.figures if name in MAIN.values()), "accuracy")


def _points(one: float | None, other: float | None) -> float:
    """Return the difference in percentage points; 0 where it was not measured."""
    return 0.0 if one is None or other is None else (one - other) * 100


def best(rows: Iterable[Measured]) -> Measured | None:
    """Return the candidate to prove next, or None where none passes.

    The fastest one; among those as fast within the noise, one that is not slow in micro-batches; among these, the one
    closest to fp32.
    """
    passing = by_speed(row for row in rows if not (row.failures or row.proved or row.built.variant.baseline))
    if not passing:
        return None
    near = [row for row in passing if row.latency.mix_ms <= passing[0].latency.mix_ms * _SAME_SPEED]
    together = {row.name: row.latency.together_ms or 0.0 for row in near}
    limit = min(together.values()) * _SAME_TOGETHER
    return min(near, key=lambda row: (together[row.name] > limit, row.quality.mean_change))


def by_speed(rows: Iterable[Measured]) -> list[Measured]:
    """Sort by latency on the real mix, fastest first."""
    return sorted(rows, key=lambda row: row.latency.mix_ms)
