"""Costs: what texts cost on a vCPU of a given price."""

from typing import Final

_MILLION: Final = 1_000_000


def cost_of_a_million(texts_per_vcpu_s: float, price_per_hour: float) -> float:
    """Return the cost of a million texts at full load, in the currency of the price."""
    return _MILLION / texts_per_vcpu_s / 3600 * price_per_hour
