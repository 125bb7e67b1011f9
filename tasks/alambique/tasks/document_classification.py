"""Document classification: the topic of a text."""

from alambique.tasks.classification import classification
from alambique.tasks.formats.columns import Columns

COLUMNS = Columns(texts=("text",), label="label")

TASK = classification("document-classification", COLUMNS)
