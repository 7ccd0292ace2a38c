"""Figures: how long to measure, in which order, and how certain the result is. Knows nothing of servers."""
