"""Networks and pictures for programs other than Python: ONNX files, and what the web page shows."""

__all__: list[str] = []
