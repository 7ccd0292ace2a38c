"""Costs: dollars per million texts on a vCPU of a given price, beside the list prices of hosted services.

``python -m benchmarks costs --price 0.0494`` takes the rates from ``bench.json`` and ``container.json`` of a directory
and writes ``costs.json`` and ``costs.md`` there. ``prices.toml`` has the prices of the services; they are applied to
the texts of the benchmark, so that all rows are about the same texts.
"""

import json
import math
import statistics
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import BenchmarkError
from benchmarks.load.corpus import SHAPES, Texts
from benchmarks.report.section import ReportColumns, ReportTable, Section

Row = Mapping[str, Any]

_PRICES: Final = Path(__file__).parent / "prices.toml"
_MILLION: Final = 1_000_000
_CALLERS: Final = 16
_DIGITS_BELOW: Final = 10


def _cost(shape: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        usd = row[f"million_{shape}_usd"]
        return f"${usd:.3f}" if usd < 1 else f"${usd:.1f}" if usd < _DIGITS_BELOW else f"${usd:,.0f}"

    return cell


_COLUMNS: Final[ReportColumns[Row]] = (
    ("", lambda row: row["name"]),
    ("price", lambda row: row["price"]),
    *((f"a million {shape}", _cost(shape)) for shape in SHAPES),
)


def costs(directory: Path, texts: Texts, price_per_hour: float, price_of: str) -> tuple[dict[str, Any], Section]:
    """Compute the costs at full load.

    Args:
        directory: of a run with ``bench.json``, and ``container.json`` if the container was measured.
        texts: of the benchmark.
        price_per_hour: of a vCPU, in US dollars.
        price_of: what costs that, in words.

    Returns:
        The context of the report (machine, versions, artifact), and the section.

    Raises:
        BenchmarkError: if there is no ``bench.json``.
    """
    try:
        bench = json.loads((directory / "bench.json").read_text())
    except OSError as error:
        raise BenchmarkError(f"{directory} holds no bench.json, whose rates are priced; run make bench") from error
    prices = tomllib.loads(_PRICES.read_text())
    price = f"${price_per_hour:g} a vCPU-hour"
    figures = [
        {"name": name, "price": price, **rates, **_at_rates(rates, price_per_hour)}
        for name, rates in _rates(bench, directory / "container.json")
    ]
    figures += [_service(service, texts) for service in prices["service"]]
    sources = ", ".join(f"{service['name']} ({service['source']})" for service in prices["service"])
    lengths = (f"{shape} of {statistics.fmean(map(len, texts.of(shape).texts)):,.0f}" for shape in SHAPES)
    notes = [
        f"{price} is assumed{f': {price_of}' if price_of else ''}. Verdict is under full load all the time; at 60 % of "
        "it a text costs 1.7 times as much. Load balancer, addresses and logs are not included.",
        f"List prices looked up on {prices['looked_up']}, without free tiers and volume discounts: {sources}.",
        f"The texts are those of the benchmark: {' and '.join(lengths)} characters on average.",
    ]
    context = {key: value for key, value in bench.items() if key not in {"sections", "server"}}
    title = "What a million texts cost, in US dollars"
    return context, Section("costs", title, figures, ReportTable.of(_COLUMNS, figures), notes)


def cost_of_a_million(texts_per_vcpu_s: float, price_per_hour: float) -> float:
    """Return the cost of a million texts at full load, in the currency of the price."""
    return _MILLION / texts_per_vcpu_s / 3600 * price_per_hour


def _at_rates(rates: Mapping[str, float], price_per_hour: float) -> dict[str, float]:
    return {f"million_{shape}_usd": cost_of_a_million(rates[f"{shape}_per_vcpu_s"], price_per_hour) for shape in SHAPES}


def _rates(bench: Mapping[str, Any], container: Path) -> list[tuple[str, dict[str, float]]]:
    """Return the texts per second of a vCPU, by the words for the load."""
    closed = bench["sections"]["closed_loops"]["figures"]
    at_full_load = {row["shape"]: row["texts_per_s"] for row in closed if row["callers"] == _CALLERS}
    cores = len(bench["machine"]["server_cores"])
    rates = {f"{shape}_per_vcpu_s": at_full_load[shape] / cores for shape in SHAPES}
    found = [(f"Verdict on a core of its own, {_CALLERS} callers", rates)]
    if container.exists():
        largest = max(json.loads(container.read_text())["sections"]["container"]["figures"], key=_vcpus)
        rates = {f"{shape}_per_vcpu_s": largest[f"{shape}_per_s"] / largest["vcpus"] for shape in SHAPES}
        found.append((f"Verdict in a container of {largest['vcpus']:g} vCPU, 4 callers", rates))
    return found


def _vcpus(row: Row) -> float:
    return float(row["vcpus"])


def _service(service: Row, texts: Texts) -> dict[str, Any]:
    costs = {f"million_{shape}_usd": _MILLION * _mean_price(service, texts.of(shape).texts) for shape in SHAPES}
    return {key: service[key] for key in ("name", "price", "source")} | costs


def _mean_price(service: Row, texts: Sequence[str]) -> float:
    """Return a service's mean price of a text, in US dollars."""
    if "unit_usd" in service:
        units = (max(math.ceil(len(text) / service["unit_characters"]), service["least_units"]) for text in texts)
        return float(service["unit_usd"] * statistics.fmean(units))
    tokens = service["prompt_tokens"] + statistics.fmean(map(len, texts)) / service["characters_per_token"]
    return float(service["input_usd"] * tokens + service["output_usd"] * service["output_tokens"])
