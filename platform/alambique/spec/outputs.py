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
    SCORE = "score"
    """One number for the whole text, such as how alike two texts are."""
    STATES = "states"
    """The last layer's state of each piece: a network without a head answers nothing else."""

    @property
    def has_head(self) -> bool:
        """Whether the network has a head."""
        return self is not Output.STATES

    @property
    def is_per_text(self) -> bool:
        """Whether the head reads one vector for the whole text, and not each piece."""
        return self in (Output.CLASSES, Output.SCORE)

    @property
    def columns(self) -> int | None:
        """How many columns the head has; None: as many as the data has labels."""
        return {Output.SPAN: 2, Output.SCORE: 1, Output.STATES: 0}.get(self)
