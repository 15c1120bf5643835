"""ONNX models of cfgs with their weights."""
