"""Export of a fitted model to one ONNX file of the contract."""
