"""Training, end to end on tiny models."""
