"""Kinds of output: one for each that a task may state."""

import numpy as np
import pytest

from alambique.spec.errors import BadSpec
from alambique.spec.outputs import Output
from alambique.workers.training.kinds.all import ALL, kind_of


def test_each_output_has_one_kind() -> None:
    assert sorted(kind.output for kind in ALL) == sorted(Output)
    assert all(kind_of(kind.output) is kind for kind in ALL)


def test_classes_are_named_by_labels_and_words_are_tagged() -> None:
    assert {kind.output for kind in ALL if kind.has_classes} == {Output.TAGS, Output.CLASSES}
    assert [kind.output for kind in ALL if kind.is_per_word] == [Output.TAGS]


def test_states_alone_have_no_head_and_are_not_stored() -> None:
    assert [kind.output for kind in ALL if not kind.has_head] == [Output.STATES]
    with pytest.raises(BadSpec, match="hidden states are not kept"):
        kind_of(Output.STATES).record([], [np.zeros((1, 2), dtype=np.float32)], 1)
