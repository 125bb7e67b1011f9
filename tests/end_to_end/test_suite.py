"""A whole suite: teachers shared by all jobs of a task, one task failing alone, one table."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from alambique.api.comparison import suite_comparison
from alambique.api.gains import StoredGains
from alambique.api.views import SuiteView
from alambique.registry import jobs, suites, versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.matrix import jobs_of
from alambique.spec.settings import Settings
from alambique.spec.states import Reason, State
from alambique.spec.suite import read_suite

SUITE = """
name: two
shared:
  teacher:
    model: {architecture: modernbert, layers: 2, width: 32, heads: 2, ffn: 48, vocabulary: 400}
    train: {epochs: 4, learning_rate: 5.0e-3, batch_size: 16, max_length: 64, stride: 16}
    max_length: 64
    stride: 16
  train: {epochs: 1, learning_rate: 5.0e-3, batch_size: 16, max_length: 64, stride: 16}
  compare: [gold-only]
tasks:
  speech:
    task: part-of-speech
    data: {name: sample-speech, limit: {train: 60, dev: 20, test: 20}}
    teacher: {gate: off}
  topics:
    task: document-classification
    data: {name: sample-documents, limit: {train: 20, dev: 20, test: 20}}
    teacher: {train: {epochs: 1, learning_rate: 1.0e-7}}
students: {one: {layers: 1}, two: {layers: 2, keep: first}}
"""


@contextmanager
def driver(settings: Settings, job: JobRow) -> Iterator["subprocess.Popen[bytes]"]:
    """A driver of that job, as the dispatcher starts it."""
    command = [sys.executable, "-m", "alambique.cli", "drive", str(job.id), str(job.token)]
    told = os.environ | {"ALAMBIQUE_HOME": str(settings.home), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=told) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_suite_from_its_file_to_its_table(settings: Settings, database: Database) -> None:
    """Two jobs at once, first those of one task and one teacher, then the others."""
    suite = read_suite(SUITE)
    with database.write() as session:
        row = suites.submit(session, suite, jobs_of(suite))
    with database.write() as session:
        taken = [jobs.take(session, "test", timedelta(minutes=10)) for _ in range(4)]
    held = [job for job in taken if job is not None]
    for task, code in (("part-of-speech", 0), ("document-classification", 1)):
        with ExitStack() as stack:
            pair = [stack.enter_context(driver(settings, j)) for j in held if j.task == task]
            assert [process.wait(240) for process in pair] == [code, code]
    with database.read() as session:
        results = suites.results(session, row.id)
        table = suite_comparison(row, results, StoredGains(database))
        found = SuiteView.of(row, suites.jobs_in(session, row.id), table)
        logs = {one.id: jobs.logs(session, one.id) for one in found.jobs}
        teachers = versions.page(session, role="teacher").items
        students = versions.page(session, role="student").items

    by_task = {task: [one for one in found.jobs if one.cell.task == task] for task in suite.tasks}
    assert [one.state for one in by_task["speech"]] == [State.SUCCEEDED] * 2
    assert [one.reason for one in by_task["topics"]] == [Reason.BAD_TEACHER] * 2
    assert [one.attempts for one in found.jobs] == [1] * 4

    assert [(one.student, one.role) for one in table.rows] == [
        (None, "teacher"),
        ("one", "gold-only"),
        ("one", "distilled"),
        ("two", "gold-only"),
        ("two", "distilled"),
    ]
    assert [(one.task, one.passes) for one in table.passes] == [("speech", 1.0)]
    assert all(one.scores["topics"] is None and one.score is None for one in table.rows)
    scores = [one.scores["speech"] for one in table.rows]
    assert all(one is not None and 0.2 < one.mean < 1 for one in scores)
    told = [
        line for one in by_task["speech"] for log in logs[one.id] for line in log.content["lines"]
    ]
    assert sum(line.startswith("teach: done before, by job") for line in told) == 1
    assert sum(line.startswith("evaluate: done before, by job") for line in told) == 1
    # each job has a version of its own, and the teacher's files lie there once
    assert (len(teachers), len({one.artifact for one in teachers})) == (2, 1)
    assert (len(students), len({one.artifact for one in students})) == (2, 2)
    root = Path(settings.artifact_root)
    assert all((root / one.artifact / file.name).exists() for one in teachers for file in one.files)
