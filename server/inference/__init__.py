"""Inference: texts in, predictions out, in micro-batches. Knows no HTTP."""
