"""Observe: metrics, logs and traces."""
