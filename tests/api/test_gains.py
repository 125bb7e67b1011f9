"""Gains across jobs: drawn from what each of them keeps of single examples, and drawn once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import numpy as np
import pytest

from alambique.api.gains import Pair, StoredGains
from alambique.registry import example_scores, jobs
from alambique.registry.database import Database
from alambique.registry.records import ScoredStudent
from alambique.spec.job import Job
from alambique.tasks.bootstrap import Floats, difference, pack_fractions

Kept = Callable[[dict[tuple[str, int], Floats]], Callable[[str, int], ScoredStudent]]


def hits(examples: int, rate: float, seed: int) -> Floats:
    found = np.random.default_rng(seed).random(examples) < rate
    return np.stack([found, np.ones(examples)], axis=1).astype(float)


@pytest.fixture
def keep(database: Database, job: Job) -> Kept:
    """Keeps example scores with a job of their own; gives what finds them."""

    def kept(scores: dict[tuple[str, int], Floats]) -> Callable[[str, int], ScoredStudent]:
        with database.write() as session:
            row = jobs.submit(session, job)
        with database.write() as session:
            taken = jobs.take(session, "test", timedelta(minutes=1), job_id=row.id)
            assert taken is not None
            content = {key: pack_fractions(found) for key, found in scores.items()}
            example_scores.record(session, row.id, taken.token, content)
            jobs.finish(session, row.id, taken.token, {})
        return lambda role, seed: ScoredStudent(row.id, role, seed)

    return kept


def test_a_gain_across_jobs_is_that_of_their_examples(database: Database, keep: Kept) -> None:
    ours, theirs = ({seed: hits(60, rate, seed) for seed in (1, 2)} for rate in (0.8, 0.5))
    students = [keep({("student", seed): ours[seed]})("student", seed) for seed in (1, 2)]
    baselines = keep({("same-start", seed): theirs[seed] for seed in (1, 2)})
    pair = Pair(tuple(students), tuple(baselines("same-start", seed) for seed in (1, 2)))
    found = StoredGains(database)([pair])
    expected = difference(*(np.stack([some[1], some[2]]) for some in (ours, theirs)))
    assert found == {pair: expected}


def test_what_was_drawn_is_not_read_again(
    database: Database, keep: Kept, statements: Callable[..., AbstractContextManager[list[str]]]
) -> None:
    of = keep({("student", 1): hits(20, 0.8, 1), ("gold-only", 1): hits(20, 0.5, 2)})
    pair = Pair((of("student", 1),), (of("gold-only", 1),))
    gains = StoredGains(database)
    first = gains([pair])
    with statements() as asked:
        assert gains([pair, pair]) == first
    assert asked == []


def test_without_all_examples_there_is_no_interval(database: Database, keep: Kept) -> None:
    of = keep({("student", 1): hits(20, 0.8, 1), ("gold-only", 1): hits(19, 0.5, 2)})
    missing = Pair((of("student", 1),), (of("same-start", 1),))
    other_test = Pair((of("student", 1),), (of("gold-only", 1),))
    assert StoredGains(database)([missing, other_test]) == {}
