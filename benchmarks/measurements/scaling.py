"""Scaling: the throughput of fractions and multiples of a vCPU, and the cost of a million texts there.

It looks up no price: the user gives that of a vCPU-hour.
"""

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmarks.figures.rounds import Effort
from benchmarks.load.corpus import SHAPES
from benchmarks.load.generator import Generator, run
from benchmarks.load.requests import single
from benchmarks.processes.placement import QuotaError, quota
from benchmarks.processes.servers import Rig, Server
from benchmarks.report.costs import cost_of_a_million
from benchmarks.report.section import ReportColumns, ReportTable, Section

Row = Mapping[str, Any]

_CALLERS: Final = 32
_SECONDS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Size:
    """A task's size: whole cores, or a quota on one."""

    vcpus: float

    @property
    def cores(self) -> int:
        """Cores of the server."""
        return max(int(self.vcpus), 1)

    @property
    def is_quota(self) -> bool:
        """Whether it is a fraction that needs a control group."""
        return self.vcpus != self.cores


def _cell(key: str, form: str) -> Callable[[Row], str]:
    return lambda row: form.format(row[key])


_COLUMNS: Final[ReportColumns[Row]] = (
    ("vCPU", _cell("vcpus", "{:g}")),
    *((f"{shape}/s", _cell(f"{shape}_per_s", "{:.1f}")) for shape in SHAPES),
    ("start", _cell("start_s", "{:.1f} s")),
    *((f"a million {shape}", _cell(f"million_{shape}_cost", "{:.3f}")) for shape in SHAPES),
)


def scaling(rig: Rig, effort: Effort, sizes: Sequence[float], price_per_hour: float) -> Section:
    """Measure each size at sentences and reviews.

    Args:
        rig: artifact and texts; the cores are chosen for each size.
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
            notes.append(f"{vcpus:g} vCPU: the load ran on the server's cores and took a part of them.")
    return Section("scaling", "Scaling and cost", figures, ReportTable.of(_COLUMNS, figures), notes)


def _measure(rig: Rig, effort: Effort, size: Size, price_per_hour: float) -> dict[str, Any]:
    figures: dict[str, Any] = {"vcpus": size.vcpus}
    sized = replace(rig, placement=rig.placement.resized(size.cores))
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(quota(size.vcpus)) if size.is_quota else None
        server = stack.enter_context(sized.server(group))
        figures["start_s"] = server.start_s
        for shape in SHAPES:
            rate = _rate(server, rig, shape, effort)
            figures[f"{shape}_per_s"] = rate
            figures[f"{shape}_per_vcpu_s"] = rate / size.vcpus
            figures[f"million_{shape}_cost"] = cost_of_a_million(rate / size.vcpus, price_per_hour)
    return figures


def _rate(server: Server, rig: Rig, shape: str, effort: Effort) -> float:
    requests = itertools.cycle(single(rig.texts.of(shape).texts))
    rates = [
        run(Generator(server.address).closed_loop(requests, _CALLERS, duration_s=effort.scaled(seconds))).texts_per_s
        for seconds in (1.0, _SECONDS)  # the first one warms up
    ]
    return rates[-1]
