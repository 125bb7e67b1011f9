from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.cache.keys import BUCKETS, Bucket, Namespace, bucket_of, example_key
from alambique.spec.outputs import Output

NAMESPACE = Namespace(
    teacher="t", tokenizer="k", preprocessing="words-1", output=Output.SPAN, dtype="float32"
)
TEXTS = st.lists(st.text(), max_size=3)


@given(TEXTS, TEXTS)
def test_a_key_tells_texts_apart_and_nothing_else(one: list[str], other: list[str]) -> None:
    assert (example_key(NAMESPACE, one) == example_key(NAMESPACE, other)) == (one == other)


def test_the_border_between_two_texts_counts() -> None:
    assert example_key(NAMESPACE, ["ab", "c"]) != example_key(NAMESPACE, ["a", "bc"])


def test_half_a_surrogate_pair_has_a_key() -> None:
    assert len(example_key(NAMESPACE, ["\ud800"])) == 16


@pytest.mark.parametrize(
    "other",
    [
        replace(NAMESPACE, teacher="u"),
        replace(NAMESPACE, tokenizer="l"),
        replace(NAMESPACE, preprocessing="words-2"),
        replace(NAMESPACE, output=Output.TAGS),
        replace(NAMESPACE, dtype="bfloat16"),
    ],
)
def test_all_of_a_namespace_goes_into_its_digest_and_its_keys(other: Namespace) -> None:
    assert other.digest != NAMESPACE.digest
    assert example_key(other, ["a"]) != example_key(NAMESPACE, ["a"])


def test_keys_stay_the_same_between_releases() -> None:
    """A change here makes all kept outputs useless: raise RESULTS_VERSION for a reason, or undo it.

    Who has raised it puts the new ones here.
    """
    assert NAMESPACE.digest == "beb8b99213459354a1c3a12a1de9fbd1"
    assert example_key(NAMESPACE, ["¿Dónde?", "Aquí."]).hex() == "dd6bc43395130d6d6f81170dd52f77bc"


@given(st.binary(min_size=16, max_size=16))
def test_a_bucket_is_the_first_byte(key: bytes) -> None:
    assert 0 <= bucket_of(key) < BUCKETS
    assert bucket_of(key) == key[0]


def test_a_bucket_is_printed_as_a_path() -> None:
    assert str(Bucket("ab", 7)) == "ab/07"
