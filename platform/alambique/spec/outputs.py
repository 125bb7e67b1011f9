"""The forms that a model's outputs can take: a closed union, named in every cache key."""

from enum import StrEnum


class Output(StrEnum):
    """What a model answers for one text."""

    SPAN = "span"
    """A start and an end logit for each piece."""
    TAGS = "tags"
    """A logit for each class, for each word."""
    CLASSES = "classes"
    """A logit for each class, for the whole text."""
    STATES = "states"
    """The last layer's state of each piece: a network without a head answers nothing else."""
