import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import LabelMismatch
from alambique.tasks.labels import Permuted, Same, compare

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def test_equal_labels_are_the_same() -> None:
    assert compare(NAMES, tuple(NAMES)) == Same()


@given(st.permutations(NAMES))
def test_a_permutation_puts_the_model_s_columns_in_the_data_s_order(theirs: list[str]) -> None:
    found = compare(NAMES, theirs)
    columns = list(found.columns) if isinstance(found, Permuted) else list(range(len(NAMES)))
    assert np.array(theirs)[columns].tolist() == NAMES


@pytest.mark.parametrize("theirs", [["LABEL_0", "LABEL_1"], NAMES[:-1], [*NAMES, "O"]])
def test_other_labels_are_refused_with_both_lists(theirs: list[str]) -> None:
    with pytest.raises(LabelMismatch) as raised:
        compare(NAMES, theirs)
    assert str(NAMES) in str(raised.value)
    assert str(theirs) in str(raised.value)
