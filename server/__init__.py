"""The server: an artifact directory in, HTTP predictions out. Run as ``python -m server``.

It imports numpy, onnxruntime, tokenizers, FastAPI and a few small libraries, and never torch, transformers,
datasets, onnx or optimum.
"""

import os

# Both are read by libraries when they are first imported, so they stand before every import of ours.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # on by default in onnxruntime's Linux wheels
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread per call: the cores belong to inference
