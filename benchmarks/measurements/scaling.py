"""Scaling: what one, two or a fraction of a vCPU give, and what a million texts cost there.

No network: the price of a vCPU-hour is the caller's.
"""

import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmarks.figures.effort import Effort
from benchmarks.load.generator import Generator, run
from benchmarks.processes.cgroup import QuotaError, quota
from benchmarks.processes.rig import Rig
from benchmarks.processes.servers import Server
from benchmarks.promises.ratios import single
from benchmarks.report.section import Section, Table

_CALLERS: Final = 32
_SECONDS: Final = 8.0
_SHAPES: Final = ("sentences", "reviews")
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """A task's size: whole cores, or a quota on one."""

    vcpus: float

    @property
    def cores(self) -> int:
        """Cores that the server runs on."""
        return max(int(self.vcpus), 1)

    @property
    def is_quota(self) -> bool:
        """Whether it is a fraction that only a control group can give."""
        return self.vcpus != self.cores


def scaling(rig: Rig, effort: Effort, sizes: Sequence[float], price_per_hour: float) -> Section:
    """Measure each size at sentences and reviews.

    Args:
        rig: artifact and texts; its placement is chosen anew for each size.
        effort: how long.
        sizes: vCPUs; fractions need the right to make control groups.
        price_per_hour: of a vCPU, in any currency.
    """
    figures: list[dict[str, Any]] = []
    notes = [f"{_CALLERS} callers, closed loop; a vCPU-hour at {price_per_hour:g}; memory is not in the price."]
    for vcpus in sizes:
        size = Size(vcpus)
        try:
            figures.append(_measure(rig, effort, size, price_per_hour))
        except QuotaError as error:
            notes.append(f"{vcpus:g} vCPU was not measured: {error}")
        if rig.placement.resized(size.cores).shared:
            notes.append(f"{vcpus:g} vCPU: the load ran on the server's cores and took its part of them.")
    columns = ["vCPU", "sentences/s", "reviews/s", "start", "a million sentences", "a million reviews"]
    rows = [
        [
            f"{it['vcpus']:g}",
            *(f"{it[f'{shape}_per_s']:.1f}" for shape in _SHAPES),
            f"{it['start_s']:.1f} s",
            *(f"{it[f'million_{shape}_cost']:.3f}" for shape in _SHAPES),
        ]
        for it in figures
    ]
    return Section("scaling", "Scaling and cost", figures, Table(columns, rows), notes)


def _measure(rig: Rig, effort: Effort, size: Size, price_per_hour: float) -> dict[str, Any]:
    figures: dict[str, Any] = {"vcpus": size.vcpus}
    sized = replace(rig, placement=rig.placement.resized(size.cores))
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(quota(size.vcpus)) if size.is_quota else None
        server = stack.enter_context(sized.server(group))
        figures["start_s"] = server.start_s
        for shape in _SHAPES:
            rate = _rate(server, rig, shape, effort)
            figures[f"{shape}_per_s"] = rate
            figures[f"{shape}_per_vcpu_s"] = rate / size.vcpus
            figures[f"million_{shape}_cost"] = cost_of_a_million(rate / size.vcpus, price_per_hour)
    return figures


def cost_of_a_million(texts_per_vcpu_s: float, price_per_hour: float) -> float:
    """Return what a million texts cost at full load, in the currency of the price."""
    return _MILLION / texts_per_vcpu_s / 3600 * price_per_hour


def _rate(server: Server, rig: Rig, shape: str, effort: Effort) -> float:
    corpus = rig.texts.sentences if shape == "sentences" else rig.texts.reviews
    requests = itertools.cycle(single(corpus.texts))
    run(Generator(server.address).closed_loop(requests, _CALLERS, duration_s=effort.lasting(1)))  # warm-up
    return run(
        Generator(server.address).closed_loop(requests, _CALLERS, duration_s=effort.lasting(_SECONDS))
    ).texts_per_s
