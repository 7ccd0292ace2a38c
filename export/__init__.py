"""Export: a checkpoint directory in, a proved ONNX artifact out. Run as ``python -m export``.

The environment is set here because it must be before onnxruntime and the hub's client are imported, wherever
that happens below: neither may send anything from this machine.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
