"""From noisy rounds to figures: how long to measure, in which order, and how sure the result is."""
