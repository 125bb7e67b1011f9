import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import LabelMismatch
from alambique.tasks.labels import check_labels

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


@given(st.permutations(NAMES))
def test_the_order_does_not_matter(theirs: list[str]) -> None:
    check_labels(NAMES, theirs)


@pytest.mark.parametrize("theirs", [["LABEL_0", "LABEL_1"], NAMES[:-1], [*NAMES, "O"]])
def test_other_labels_are_refused_with_both_lists(theirs: list[str]) -> None:
    with pytest.raises(LabelMismatch) as raised:
        check_labels(NAMES, theirs)
    assert str(NAMES) in str(raised.value)
    assert str(theirs) in str(raised.value)
