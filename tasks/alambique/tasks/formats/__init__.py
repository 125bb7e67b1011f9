"""The public formats of data files: readers that say where a file is broken, and writers."""
