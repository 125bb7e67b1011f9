"""`alambique suites`: what is printed of many jobs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.job_results import job_result, result_row

from alambique.api.client import Client
from alambique.api.comparison_table import Column, ColumnScore, Comparison, ComparisonRow
from alambique.api.exports import Form
from alambique.api.views import SuiteView
from alambique.cli.suite_reports import change_lines, print_table
from alambique.registry import jobs, suites
from alambique.registry.database import Database
from alambique.spec.states import Reason, StageName, State
from alambique.spec.suite import Suite

Alambique = Callable[..., "subprocess.CompletedProcess[str]"]
Here = Callable[..., str]

SUITE = """
name: both
shared:
  teacher:
    model: {architecture: bert, layers: 2, width: 32, heads: 2, ffn: 64}
    train: {epochs: 1}
tasks:
  ner: {task: named-entities, data: sample-entities}
students:
  small: {layers: 1}
  large: {layers: 2}
"""


RESULT = job_result(
    result_row("teacher", 0.9), result_row("gold-only", 0.5), result_row("distilled", 0.4)
)


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture(autouse=True)
def _nothing_is_left(database: Database) -> Iterator[None]:
    """The queue is that of the whole session: what is left in it is ahead of other tests' jobs."""
    yield
    with database.write() as session:
        for suite in suites.page(session, limit=200).items:
            while suites.cancel(session, suite.id):
                pass
            for job in suites.jobs_in(session, suite.id):
                if job.state is State.CANCELLING:
                    jobs.release(session, job.id, jobs.find(session, job.id).token)


def ended(database: Database, suite_id: UUID) -> None:
    """The first job succeeds, the second one fails."""
    with database.read() as session:
        first, second = suites.jobs_in(session, suite_id)
    for row in (first, second):
        with database.write() as session:
            taken = jobs.take(session, "test", timedelta(minutes=1), job_id=row.id)
            assert taken is not None
            if row == first:
                jobs.finish(session, row.id, taken.token, RESULT)
            else:
                jobs.fail(session, row.id, taken.token, Reason.BAD_TEACHER, "it learnt [nothing]")


def test_a_suite_from_its_posting_to_its_table(
    here: Here, suite_file: Path, database: Database
) -> None:
    submit = ("suites", "submit", suite_file, "--set", "name=a", "--key", "a")
    posted = here(*submit)
    assert here(*submit) == posted
    suite = posted.strip()
    assert "2 queued" in here("suites", "show", suite)
    ended(database, UUID(suite))
    shown = here("suites", "show", suite)
    assert "small, distilled" in shown
    assert "distilling did not help small on ner: 40.00 against 50.00 of gold-only" in shown
    assert "ner, large: failed: it learnt [nothing]" in shown
    assert "teacher passes over the training examples: ner 1" in shown
    assert here("suites", "show", suite, "--format", "latex").startswith(r"\begin{tabular}")
    (listed,) = json.loads(here("suites", "list", "--json", "--limit", 1))["items"]
    assert (listed["id"], listed["over"]) == (suite, True)
    assert "1 succeeded" in here("suites", "list")
    assert json.loads(here("suites", "show", suite, "--json"))["id"] == suite
    watched = here("suites", "watch", suite, code=1)
    assert "2 of 2  ner, large: failed: it learnt [nothing]" in watched
    told = here("suites", "watch", suite, "--json", code=1).splitlines()
    jobs_told = [json.loads(line) for line in told]
    assert [(job["cell"]["student"], job["state"]) for job in jobs_told] == [
        ("small", "succeeded"),
        ("large", "failed"),
    ]


def test_a_cancelled_suite_did_not_succeed(here: Here, suite_file: Path) -> None:
    posted = json.loads(here("suites", "submit", suite_file, "--json"))
    assert here("suites", "cancel", posted["id"]) == "2 cancelled\n"
    assert "cancelled: user" in here("suites", "watch", posted["id"], code=1)


def test_what_is_wrong_is_told_by_field(alambique: Alambique, suite_file: Path) -> None:
    posted = alambique("suites", "submit", suite_file, "--set", "students.small.layers=9")
    assert posted.returncode == 1
    assert posted.stderr.startswith("error: students.small: ")
    absent = alambique("suites", "submit", "gone.yaml")
    assert "gone.yaml cannot be read as a suite file" in absent.stderr


def test_a_key_is_made_where_none_is_given(
    here: Here, suite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, submit_suite = list[str | None](), Client.submit_suite

    def watched(self: Client, suite: Suite | str, *, key: str | None = None) -> SuiteView:
        keys.append(key)
        return submit_suite(self, suite, key=key)

    monkeypatch.setattr(Client, "submit_suite", watched)
    assert here("suites", "submit", suite_file) != here("suites", "submit", suite_file)
    assert len({UUID(key) for key in keys}) == 2


def test_a_format_that_there_is_not(alambique: Alambique, suite_file: Path) -> None:
    suite = alambique("suites", "submit", suite_file).stdout.strip()
    said = alambique("suites", "show", suite, "--format", "pdf")
    assert said.stderr == "error: --format pdf: expected one of markdown, csv, latex\n"


def test_news_are_what_changed(database: Database, suite_file: Path, here: Here) -> None:
    posted = json.loads(here("suites", "submit", suite_file, "--json"))
    suite_id, at = UUID(posted["id"]), datetime.now(UTC)

    def seen() -> SuiteView:
        with database.read() as session:
            return SuiteView.of(suites.find(session, suite_id), suites.jobs_in(session, suite_id))

    before = seen()
    assert list(change_lines(None, before, at=at)) == []
    with database.write() as session:
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=before.jobs[0].id)
        assert row is not None
        jobs.record_progress(session, row.id, row.token, stage=StageName.TEACH, fraction=0.5)
    now = seen()
    assert list(change_lines(before, now, at=at)) == [
        f"{at:%H:%M:%S}  0 of 2  ner, small: running, teach"
    ]
    assert list(change_lines(now, now, at=at)) == []
    failed = {"state": State.FAILED, "message": "no\x1b]0;x\x07"}
    over = [now.jobs[0].model_copy(update=failed), *now.jobs[1:]]
    (line,) = change_lines(now, now.model_copy(update={"jobs": over}), at=at)
    assert line.endswith(r"ner, small: failed: no\x1b]0;x\x07")


@pytest.mark.parametrize("form", Form)
def test_a_table_for_a_file_is_exact_and_for_a_terminal_it_is_escaped(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    name = "t\x1b]0;x"
    found = ColumnScore(mean=0.5, deviation=None, beside={}, complete=True, version="m@1")
    row = ComparisonRow(
        role="teacher",
        teacher=name,
        student=None,
        layers=2,
        scores={"ner": found},
        score=0.5,
        speed_up=None,
        parameters=10,
        latency_ms=None,
        inferences_per_second=None,
        throughput=None,
    )
    comparison = Comparison(
        columns=(Column(name="ner", metric="f1", beside=()),),
        rows=(row,),
        reference=None,
        passes=(),
        chosen=(),
        notes=(),
    )
    suite = SuiteView(
        id=UUID(int=7),
        project="p",
        name="s",
        created_at=datetime.now(UTC),
        states={},
        over=True,
        jobs=[],
        comparison=comparison,
    )
    print_table(suite, form)
    assert name in capfd.readouterr().out
    master, slave = os.openpty()
    with open(slave, "w") as terminal, monkeypatch.context() as changed:
        changed.setattr(sys, "stdout", terminal)
        print_table(suite, form)
        terminal.flush()
        shown = os.read(master, 1 << 16)
    os.close(master)
    assert b"\x1b" not in shown
    assert rb"x1b]0;x" in shown
