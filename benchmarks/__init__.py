"""Benchmarks: what this machine gives, measured over HTTP or on an engine by name."""

import os

# Read by onnxruntime when it is first imported, here or in a process that this one starts.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
