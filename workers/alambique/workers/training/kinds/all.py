"""The kinds of output there are."""

from alambique.spec.outputs import Output
from alambique.workers.training.kinds.classes import Classes
from alambique.workers.training.kinds.kind import OutputKind
from alambique.workers.training.kinds.scores import Scores
from alambique.workers.training.kinds.span import Span
from alambique.workers.training.kinds.states import States
from alambique.workers.training.kinds.tags import Tags

ALL: tuple[OutputKind, ...] = (Span(), Tags(), Classes(), Scores(), States())


def kind_of(output: Output) -> OutputKind:
    """Return the kind that a task states as its output."""
    return next(kind for kind in ALL if kind.output is output)
