"""Answering with a model: windows over long texts, span and tag decoding; free of torch."""
