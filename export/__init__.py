"""Export: a checkpoint directory in, a proved ONNX artifact out. Run as ``python -m export``."""
