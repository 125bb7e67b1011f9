"""Paraphrase: whether two sentences say the same."""

from alambique.tasks.classification import classification
from alambique.tasks.formats.columns import Columns

COLUMNS = Columns(texts=("sentence1", "sentence2"), label="label")

TASK = classification("paraphrase", COLUMNS)
