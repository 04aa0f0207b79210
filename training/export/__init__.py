"""A fitted model as one ONNX file of the contract."""
