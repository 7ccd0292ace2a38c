"""Measure: latency, quality and memory of built graphs, and the choice among them."""
