"""Evaluate: accuracy of a served artifact on whole splits. Run as ``python -m export.evaluate``."""
