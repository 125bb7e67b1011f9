"""Tasks: parsers, metrics, the catalogue of data sets."""
