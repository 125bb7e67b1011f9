"""The schema of numbers: a part of every key under which what is computed is kept for later."""

SCHEMA = 4
"""Raised when a stage, or a teacher, gives something else for the same input.

It goes into the key of each stage (`workers/pipeline/stage.py`) and into the namespace of teacher
outputs (`cache/keys.py`): nothing that was computed before is taken afterwards. Numbers of tiny
runs are pinned for it in `tests/workers/pinned.json`; who changes one raises it."""
