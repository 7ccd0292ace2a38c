"""Figures of one architecture: its graphs side by side, ready for JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

CASES: Final = ("22 tokens", "200 tokens", "mixed")
"""What is timed: two texts alone, and eight texts of 6 to 64 tokens in one micro-batch."""
MIXED_TEXTS: Final = 8
INT8: Final = "static"
"""The int8 graph that export builds first."""


@dataclass(frozen=True, slots=True)
class GraphFigures:
    """One graph.

    Attributes:
        ms: processor time of one thread by case.
        size_bytes: of its file.
        largest_change: of a probability against fp32.
        batch_variance: largest change of a probability between a text alone and in a batch.
    """

    ms: Mapping[str, float]
    size_bytes: int
    largest_change: float
    batch_variance: float


@dataclass(frozen=True, slots=True)
class TriedRewrite:
    """A rewrite that was tried; see ``export.rewrites.apply.RewriteResult``."""

    name: str
    applied: bool
    note: str


@dataclass(frozen=True, slots=True)
class ArchitectureFigures:
    """An architecture's graphs.

    Attributes:
        architecture: its name.
        encoder: whether every token reads the whole text.
        parameters: weights.
        graphs: by the names of export's variants; those that could not be built are missing.
        rewrites: of the int8 graph, in their order.
        peak_bytes: largest resident memory of a process that loads the int8 graph and runs the longest text.
        seconds: that the whole measurement took.
        error: why there is no int8 graph; empty where there is one.
    """

    architecture: str
    encoder: bool
    parameters: int = 0
    graphs: Mapping[str, GraphFigures] = field(default_factory=dict)
    rewrites: Sequence[TriedRewrite] = ()
    peak_bytes: int = 0
    seconds: float = 0.0
    error: str = ""

    def ratio(self, other: str, case: str) -> float:
        """Return how many times as fast int8 is as another graph; NaN where one of them is missing."""
        if INT8 not in self.graphs or other not in self.graphs:
            return math.nan
        return self.graphs[other].ms[case] / self.graphs[INT8].ms[case]

    def least_ratio(self, other: str) -> float:
        """Return the ratio of the case in which int8 gains least; NaN as above."""
        ratios = [self.ratio(other, case) for case in CASES]
        return math.nan if any(map(math.isnan, ratios)) else min(ratios)

    @property
    def texts_per_s(self) -> float:
        """Texts a second on one core, mixed micro-batches of eight."""
        return MIXED_TEXTS / self.graphs[INT8].ms["mixed"] * 1e3 if INT8 in self.graphs else math.nan

    @property
    def applied(self) -> list[str]:
        """The rewrites of the int8 graph."""
        return [rewrite.name for rewrite in self.rewrites if rewrite.applied]
