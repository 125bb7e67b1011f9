"""General: no task at all, but running text on which a student is taught the layers of a teacher.

What comes of it has no head, and is what jobs of other tasks start their students from. It predicts
nothing: the score is how alike its last states are to the teacher's, which no example tells.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from alambique.runtime.windows import Encoder, Window
from alambique.spec.errors import BadSpec
from alambique.spec.field_errors import BadField, refuse
from alambique.spec.general import NAME
from alambique.spec.outputs import Output
from alambique.tasks.examples import Text
from alambique.tasks.formats.columns import names_in_file
from alambique.tasks.formats.text import COLUMN, READERS, read_texts
from alambique.tasks.task import NoGold, Reader, Task


def readers_for(called: Mapping[str, str], labels: Sequence[str]) -> Mapping[str, Reader[Text]]:
    """Return the readers of texts, by suffix; of tables they read the column of this name.

    Raises:
        BadSpec: there is another column than text, or labels are given.
    """
    if labels:
        message = f"{NAME} distillation reads texts without labels: drop them"
        refuse([BadField("data.labels", None, message)])
    columns = names_in_file({COLUMN: COLUMN}, called, NAME)
    return dict.fromkeys(READERS, partial(read, column=columns[COLUMN]))


def read(path: Path, column: str = COLUMN, *, labels: bool = True) -> list[Text]:
    """Return the texts of a file, which have no labels; BadData where it is broken."""
    return read_texts(path, column)


def windows(example: Text, encoder: Encoder) -> tuple[Window, ...]:
    """Return the windows of a whole text, as many as it takes."""
    return encoder.passages(example.text)


def refuse_prediction(*_: Any) -> NoReturn:
    """Refuse to predict: there is no head.

    Raises:
        BadSpec: always.
    """
    raise BadSpec(
        f"a model of {NAME} distillation has no head, and predicts nothing: let the student of a "
        "job of some task start from it, student: {start: registry:NAME@VERSION}"
    )


def settings(_: Sequence[Text]) -> dict[str, str]:
    """Return which states the score compares."""
    return {"cka": "linear, of the last states of student and teacher, over all tokens"}


TASK: Task[Text, NoReturn] = Task(
    name=NAME,
    output=Output.STATES,
    inputs=("text",),
    primary="cka",
    scores=("cka", "objective"),
    readers=readers_for({}, ()),
    readers_for=readers_for,
    texts=lambda example: (example.text,),
    windows=windows,
    word_count=lambda _: 0,
    labels=lambda _: (),
    gold=lambda *_: NoGold(),
    predict=refuse_prediction,
    score=refuse_prediction,
    fractions=refuse_prediction,
    right=refuse_prediction,
    confidence=refuse_prediction,
    baselines=(),
    settings=settings,
)
