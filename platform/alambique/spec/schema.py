"""The schema of numbers: a part of every key under which what is computed is kept for later."""

SCHEMA = 3
"""Raised when a stage, or a teacher, gives something else for the same input.

It goes into the key of each stage (`workers/once.py`) and into the namespace of teacher outputs
(`cache/keys.py`): nothing that was computed before is taken afterwards. `tests/workers/pinned.json`
has numbers of tiny runs of this schema; who changes one raises it."""
