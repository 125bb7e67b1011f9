"""Which networks terms on layers can compare, told before anything is spent, without torch."""

from collections.abc import Callable
from typing import Any

import pytest

from alambique.models.comparability import check_comparable
from alambique.models.configs import Config
from alambique.models.shapes import resized_config
from alambique.spec.errors import BadSpec
from alambique.spec.objective import Attention, Hidden, IntermediateLoss, Relations

Tiny = Callable[[str], Config]


@pytest.mark.parametrize(
    ("term", "student", "path", "sentence"),
    [
        (Hidden(mapping="3k"), {"layers": 2}, "mapping", "a teacher of at least 6, this one has 4"),
        (Hidden(mapping=((0, 4),)), {"layers": 2}, "mapping", "the teacher 0 to 3"),
        (Attention(mapping=((2, 1),)), {"layers": 2}, "mapping", "the student has layers 0 to 1"),
        (Attention(mapping="last"), {"layers": 5}, "mapping", "5, this one has 4"),
        (Hidden(mapping="skip"), {"layers": 1}, "mapping", "a student of at least 2 layers"),
        (Hidden(projection="none"), {"layers": 2, "width": 8}, "projection", "teacher's 16"),
        (Attention(), {"layers": 2, "heads": 4}, "heads", "4 attention heads, the teacher 2"),
        (Relations(layer=4), {"layers": 2}, "layer", "layer 4, and the teacher has layers 0"),
        (Relations(heads=3), {"layers": 2}, "heads", "3 relation heads do not divide"),
        (Relations(heads=16), {"layers": 2, "width": 8}, "heads", "give heads: one of 1, 2, 4, 8"),
    ],
)
def test_networks_that_cannot_be_compared_name_the_field_to_change(
    tiny: Tiny, term: IntermediateLoss, student: dict[str, Any], path: str, sentence: str
) -> None:
    teacher = tiny("bert")
    with pytest.raises(BadSpec, match=sentence) as caught:
        check_comparable([term], resized_config(teacher, **student), teacher)
    assert [bad.path for bad in caught.value.fields] == [path]


def test_heads_that_differ_are_compared_by_their_mean_or_by_relations(tiny: Tiny) -> None:
    teacher = tiny("bert")
    student = resized_config(teacher, layers=2, heads=4)
    check_comparable([Attention(heads="mean"), Relations()], student, teacher)


def test_attention_of_a_deberta_is_refused_and_its_relations_are_not(tiny: Tiny) -> None:
    deberta = tiny("deberta-v3")
    with pytest.raises(BadSpec, match=r"a deberta-v2 has parts for distances.*take the term"):
        check_comparable([Attention()], deberta, deberta)
    check_comparable([Relations(), Hidden()], deberta, deberta)


def test_a_map_that_is_still_to_be_chosen_fits_any_depth(tiny: Tiny) -> None:
    teacher = tiny("bert")
    check_comparable([Hidden(mapping="similar")], resized_config(teacher, layers=9), teacher)
