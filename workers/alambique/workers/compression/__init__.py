"""Networks as smaller or faster files: ONNX, int8, OpenVINO, weights of 16 bits."""
