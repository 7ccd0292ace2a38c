"""The server: an artifact directory in, HTTP predictions out. Run as ``python -m server``.

It imports numpy, onnxruntime, tokenizers, FastAPI and a few small libraries, and never torch, transformers,
datasets, onnx or optimum.
"""

import artifact  # noqa: F401 - sets what libraries read from the environment when they are first imported
