"""Inference: whether a premise entails a hypothesis, contradicts it, or leaves it open."""

from alambique.tasks.classification import classification
from alambique.tasks.formats.columns import Columns

COLUMNS = Columns(texts=("premise", "hypothesis"), label="label")

TASK = classification("inference", COLUMNS)
