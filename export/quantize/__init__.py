"""Quantize: int8 weights, static activation scales, and CPUs whose 16-bit sums saturate."""
