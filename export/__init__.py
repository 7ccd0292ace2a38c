"""Export: a checkpoint directory in, a proved ONNX artifact out. Run as ``python -m export``."""

import os

import artifact  # noqa: F401 - sets what libraries read from the environment when they are first imported

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # the hub's client reads it when it is first imported
