"""The artifact: what training, export, server and benchmarks share about it. Imports none of them.

The manifest, tokenization, the runtime and the CPU that it runs on: one definition each, so that what is trained,
proved, measured and served is the same. It imports numpy, onnxruntime, tokenizers and pydantic.
"""

import os

# Libraries read these when they are first imported, so they are set before any other import of ours.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # on by default in onnxruntime's Linux wheels
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread per call: the cores belong to inference
