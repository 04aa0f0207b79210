"""The champion: one ONNX file, checked before it is activated, kept in memory, fed from a price table."""
