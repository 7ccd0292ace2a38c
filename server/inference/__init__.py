"""Inference: texts in, predictions out, in micro-batches. It knows no HTTP."""
