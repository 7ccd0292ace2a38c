"""The server's modules together: onnxruntime, tokenizers and the ASGI application."""
