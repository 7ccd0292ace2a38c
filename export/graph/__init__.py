"""Graph: an editable ONNX model, the conversion from PyTorch, and onnxruntime's fusions."""
