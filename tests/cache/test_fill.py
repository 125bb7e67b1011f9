from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alambique.cache.fill import FillRequest, bucket_groups, by_bucket, fill
from alambique.cache.keys import Namespace, example_key
from alambique.cache.reader import Outputs
from alambique.cache.stores import MemoryPacks
from alambique.spec.errors import BadTeacher
from alambique.spec.outputs import Output

NAMESPACE = Namespace("teacher", "tokenizer", "words-1", Output.SPAN, "float32")


def wanted(numbers: Sequence[int]) -> list[FillRequest[int]]:
    """Examples of bucket 0."""
    return [FillRequest(b"\0" + n.to_bytes(15, "big"), f"number {n}", 3, n) for n in numbers]


def answers(batch: Sequence[int]) -> list[NDArray[np.float32]]:
    return [np.full((3, 2), n, np.float32) for n in batch]


@given(st.lists(st.integers(0, 50)), st.lists(st.integers(0, 50)), st.integers(1, 4))
def test_what_several_buckets_lack_is_computed_together_and_once(
    first: list[int], then: list[int], buckets: int
) -> None:
    def spread(numbers: list[int]) -> dict[int, list[FillRequest[int]]]:
        return {
            bucket: [
                replace(one, key=bytes([bucket]) + one.key[1:])
                for one in wanted(numbers)
                if one.example % buckets == bucket
            ]
            for bucket in range(buckets)
        }

    outputs = Outputs(MemoryPacks(), NAMESPACE)
    fill(outputs, spread(first), answers, columns=2)
    seen: list[list[int]] = []

    def teacher(batch: Sequence[int]) -> list[NDArray[np.float32]]:
        seen.append(list(batch))
        return answers(batch)

    done = fill(outputs, spread(then), teacher, columns=2)
    missing = sorted(set(then) - set(first), key=lambda n: (n % buckets, n))
    assert seen == ([missing] if missing else [])
    assert done == len(missing)
    for one in (one for some in spread(then).values() for one in some):
        np.testing.assert_array_equal(outputs.get(one.key), answers([one.example])[0])


@given(st.dictionaries(st.integers(0, 255), st.integers(1, 20)), st.integers(1, 40))
def test_runs_hold_every_bucket_once_and_are_as_long_as_they_may_be(
    sizes: dict[int, int], limit: int
) -> None:
    groups = bucket_groups(sizes, limit)
    assert [bucket for group in groups for bucket in group] == sorted(sizes)
    took = [[sizes[bucket] for bucket in group] for group in groups]
    assert all(len(group) == 1 or sum(group) <= limit for group in took)
    assert all(sum(group) + after[0] > limit for group, after in pairwise(took))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.zeros((2, 2), "f4"), r"'number 7' has the shape \(2, 2\), expected \(3, 2\)"),
        (np.zeros((3, 4), "f4"), r"shape \(3, 4\)"),
        (np.full((3, 2), np.inf, "f4"), "'number 7' holds an infinite value"),
        (np.full((3, 2), 1e300), "an infinite value"),
        (np.array([[1, 2], [np.nan, 3], [4, 5]], "f4"), "'number 7' holds a row that is NaN in"),
    ],
)
def test_a_bad_teacher_is_named_with_its_example_and_nothing_is_kept(
    values: NDArray[np.float32], expected: str
) -> None:
    outputs = Outputs(MemoryPacks(), NAMESPACE)

    def teacher(batch: Sequence[int]) -> list[NDArray[np.float32]]:
        return [values if n == 7 else answers([n])[0] for n in batch]

    with pytest.raises(BadTeacher, match=expected):
        fill(outputs, {0: wanted(range(9))}, teacher, columns=2)
    assert len(outputs.missing([one.key for one in wanted(range(9))])) == 9


def test_whole_rows_of_nan_and_empty_examples_are_kept() -> None:
    outputs = Outputs(MemoryPacks(), NAMESPACE)
    two = [FillRequest(bytes(16), "none", 0, 0), FillRequest(bytes(15) + b"1", "one", 1, 1)]
    shapes: Callable[[int], NDArray[np.float32]] = lambda n: np.full((n, 2), np.nan, "f4")  # noqa: E731
    two_by_bucket = by_bucket(two)
    fill(outputs, two_by_bucket, lambda batch: [shapes(n) for n in batch], columns=2)
    for one in two:
        np.testing.assert_array_equal(outputs.get(one.key), shapes(one.rows))


def test_examples_of_other_buckets_are_refused() -> None:
    outputs = Outputs(MemoryPacks(), NAMESPACE)
    with pytest.raises(ValueError, match="other buckets than 1"):
        fill(outputs, {1: wanted([3])}, answers, columns=2)


def test_a_teacher_that_drops_an_example_is_an_error() -> None:
    outputs = Outputs(MemoryPacks(), NAMESPACE)
    with pytest.raises(ValueError, match="shorter"):
        fill(outputs, {0: wanted([1, 2])}, lambda batch: answers(batch[1:]), columns=2)


def test_a_large_bucket_becomes_several_packs() -> None:
    store = MemoryPacks()
    outputs = Outputs(store, NAMESPACE)
    large = [FillRequest(one.key, one.name, 30_000, one.example) for one in wanted(range(10))]

    def teacher(batch: Sequence[int]) -> list[NDArray[np.float32]]:
        return [np.full((30_000, 2), n, np.float32) for n in batch]

    fill(outputs, {0: large}, teacher, columns=2)
    (usage,) = store.usage()
    assert (usage.packs, usage.records) == (3, 10)
    assert outputs.missing([one.key for one in large]) == []


def test_by_bucket_keeps_all_in_ascending_buckets() -> None:
    some = [FillRequest(example_key(NAMESPACE, [str(n)]), str(n), 1, n) for n in range(500)]
    parts = by_bucket(some)
    assert list(parts) == sorted(parts)
    assert sorted(one.example for part in parts.values() for one in part) == list(range(500))
    assert all(one.key[0] == number for number, part in parts.items() for one in part)
