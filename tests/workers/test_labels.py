import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import LabelMismatch
from alambique.workers.stages.fitting import check_labels

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


@given(st.permutations(NAMES))
def test_the_order_does_not_matter(theirs: list[str]) -> None:
    check_labels(NAMES, theirs)


@pytest.mark.parametrize(
    ("theirs", "sentence"),
    [
        (["O", "LABEL_1"], "know ['B-PER', 'I-PER', 'B-LOC', 'I-LOC'], the data does not use ['LA"),
        (NAMES[:-1], "the model does not know ['I-LOC'], the data does not use []: name"),
        ([*NAMES, "B-X"], "the model does not know [], the data does not use ['B-X']: name"),
        ([*NAMES, "O"], "(id2label) as the data does"),
    ],
)
def test_other_labels_are_refused_with_field_and_both_lists(
    theirs: list[str], sentence: str
) -> None:
    with pytest.raises(LabelMismatch, match=r"^teacher\.model: ") as raised:
        check_labels(NAMES, theirs)
    assert str(NAMES) in str(raised.value)
    assert str(theirs) in str(raised.value)
    assert sentence in str(raised.value)


def test_of_very_many_labels_the_first_ones_are_told() -> None:
    theirs = [f"L{number}" for number in range(10_000)]
    with pytest.raises(LabelMismatch, match="and 9,980 more") as caught:
        check_labels(["O", "B-PER"], theirs)
    assert len(str(caught.value)) < 2000
