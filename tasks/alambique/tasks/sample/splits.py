"""The three splits, and how they keep apart."""

from alambique.spec.job import Split

SEED = 20
"""Everything that the grammar makes follows from it."""

ORDER: tuple[Split, ...] = ("test", "dev", "train")
"""The order in which splits are drawn: none may use a sentence of one before it."""
