"""The task that is none: running text in windows, and nothing to say of it."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from alambique.runtime.windows import Encoder
from alambique.spec.errors import BadSpec
from alambique.spec.outputs import Output
from alambique.tasks.examples import Text
from alambique.tasks.general import TASK
from alambique.tasks.task import NoGold

SHORT = Text("1", "Dijo que no.")
LONG = Text("2", "En Lugo, a orillas del Miño, nació en 1990 la poeta.")


def test_a_text_is_one_window_where_it_fits(narrow: Encoder, wide: Encoder) -> None:
    for encoder, example in ((narrow, SHORT), (wide, LONG)):
        (window,) = TASK.windows(example, encoder)
        whole = encoder.texts(example.text)
        assert np.array_equal(window.input_ids_N, whole.input_ids_N)
        assert window.first_word_N.tolist() == [-1] * len(window)


def test_a_long_text_is_all_in_windows_that_share_a_stride(narrow: Encoder, wide: Encoder) -> None:
    """Windows of 24 pieces, two of them special, each 8 of the one before."""
    (whole,) = TASK.windows(LONG, wide)
    first, *rest = [window.input_ids_N for window in TASK.windows(LONG, narrow)]
    assert len(rest) > 1
    assert all(len(ids) == 24 for ids in (first, *rest[:-1]))
    again = [ids[1 + 8 : -1] for ids in rest]
    assert [*first[:-1], *np.concatenate(again), first[-1]] == whole.input_ids_N.tolist()
    assert all((ids[0], ids[-1]) == (first[0], first[-1]) for ids in rest)


def test_the_edges_of_windows_share_their_pieces(narrow: Encoder) -> None:
    windows = [window.input_ids_N[1:-1] for window in TASK.windows(LONG, narrow)]
    for one, other in pairwise(windows):
        assert np.array_equal(one[-8:], other[:8])


def test_a_text_without_a_piece_is_a_window(wide: Encoder) -> None:
    (window,) = TASK.windows(Text("3", "\u00ad"), wide)
    assert len(window) == 2


def test_there_is_nothing_right_or_wrong(wide: Encoder) -> None:
    (window,) = TASK.windows(SHORT, wide)
    assert (TASK.output, TASK.labels([SHORT])) == (Output.STATES, ())
    assert TASK.gold(SHORT, window, ()) == NoGold()
    assert TASK.texts(SHORT) == ("Dijo que no.",)
    assert TASK.settings([SHORT])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: TASK.predict(SHORT, [], [], ()),
        lambda: TASK.score([SHORT], [None]),
    ],
)
def test_it_predicts_nothing(ask: Callable[[], object]) -> None:
    with pytest.raises(
        BadSpec, match="has no head, and predicts nothing: let the student of a job"
    ):
        ask()
