"""What the commands print, for people and for programs."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.job_results import job_result, result_row

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.reading import read_job
from alambique.spec.states import Reason, StageName

Alambique = Callable[..., "subprocess.CompletedProcess[str]"]
Here = Callable[..., str]
Start = Callable[..., "subprocess.Popen[str]"]


def measured(name: str, f1: float) -> dict[str, Any]:
    macs, metrics = {"linear": 1_000_000, "full": 1_250_000}, {"f1": f1, "precision": 0.5}
    return result_row(name, parameters=4_386_178, macs=macs, metrics=metrics)


RESULT = job_result(
    measured("teacher", 0.9),
    measured("gold-only", 0.8),
    measured("distilled", 0.85),
    notes=["measured on [one] machine"],
)


def taken(database: Database, job_id: UUID) -> JobRow:
    with database.write() as session:
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=job_id)
    assert row is not None
    return row


def posted(database: Database, job_file: Path, name: str) -> JobRow:
    """A job that the test holds."""
    with database.write() as session:
        row = jobs.submit(session, read_job(job_file.read_text(), [f"name={name}"]))
    return taken(database, row.id)


def test_a_job_is_submitted_watched_and_told(
    start: Start, database: Database, job_file: Path
) -> None:
    process = start("submit", job_file, "--set", "train.epochs=7", "--wait")
    assert process.stdout is not None
    row = taken(database, UUID(process.stdout.readline().strip()))
    assert row.spec["train"]["epochs"] == 7
    with database.write() as session:
        jobs.record_progress(
            session,
            row.id,
            row.token,
            stage=StageName.TEACH,
            fraction=0.5,
            eta_seconds=65,
            loss=0.25,
        )
    with database.write() as session:
        jobs.finish(session, row.id, row.token, RESULT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "teach  50%" in out
    assert "1 min 05 s left" in out
    assert "student, distilled" in out
    assert "85.00" in out
    assert "4.39 M" in out
    assert "[one]" in out
    assert "models download distilled@1" in out


def test_a_job_that_waits_says_why(start: Start, database: Database, job_file: Path) -> None:
    process = start("submit", job_file, "--wait")
    assert process.stdout is not None
    job_id = UUID(process.stdout.readline().strip())
    assert process.stdout.readline().endswith("  queued\n")
    assert "alambique worker" in process.stdout.readline()  # which would take it
    with database.write() as session:
        urgent = jobs.submit(session, read_job(job_file.read_text(), ["priority=99"])).id
    assert "queued: 1 job is ahead of it" in process.stdout.readline()
    with database.write() as session:
        jobs.cancel(session, urgent)
        jobs.cancel(session, job_id)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, "")
    assert out.endswith("cancelled (user)\n")


def test_a_job_that_fails_says_why(
    alambique: Alambique, database: Database, job_file: Path
) -> None:
    row = posted(database, job_file, "fails")
    with database.write() as session:
        jobs.record_progress(session, row.id, row.token, stage=StageName.CHECK, fraction=0.5)
        jobs.fail(session, row.id, row.token, Reason.BAD_DATA, "train.conll, line 7: two columns")
    found = alambique("jobs", "watch", row.id)
    assert found.returncode == 1
    assert found.stdout.count("train.conll, line 7") == 1
    assert "failed at check (bad_data)" in found.stdout
    assert f"alambique jobs logs {row.id}" in found.stdout


def test_how_a_job_stands(here: Here, database: Database, job_file: Path) -> None:
    row = posted(database, job_file, "stands")
    with database.write() as session:
        jobs.record_progress(
            session,
            row.id,
            row.token,
            stage=StageName.DISTIL,
            fraction=0.25,
            eta_seconds=65,
            loss=0.5,
            metric=0.75,
        )
    shown = here("jobs", "show", row.id)
    for word in ("running: distil  25%", "1 min 05 s left", "loss 0.5000", "metric 75.00 %"):
        assert word in shown
    assert "distil 25%" in here("jobs", "list", "--name", "stands")
    with database.write() as session:
        jobs.fail(session, row.id, row.token, Reason.NO_DISK, "the disk is full")
    shown = here("jobs", "show", row.id)
    assert "the last attempt failed: the disk is full" in shown
    assert "retrying: no_disk: it is tried again at" in shown
    assert "retrying: no_disk" in here("jobs", "list", "--name", "stands")
    with database.write() as session:
        jobs.cancel(session, row.id)
    assert here("jobs", "show", row.id).endswith("cancelled (user)\n")


def test_a_project_is_told_where_there_are_several(
    here: Here, database: Database, job_file: Path
) -> None:
    projects, rows = {"one-of-two": "alone", "two-of-two": "alone"}, list[JobRow]()
    with database.write() as session:
        for project, name in projects.items():
            said = [f"name={name}", f"project={project}"]
            rows.append(jobs.submit(session, read_job(job_file.read_text(), said)))
    both = here("jobs", "list", "--name", "alone")
    assert all(project in both for project in projects)
    assert "one-of-two" not in here("jobs", "list", "--project", "one-of-two")
    with database.write() as session:  # other tests look at the queue
        for row in rows:
            jobs.cancel(session, row.id)


def once_posted(database: Database, name: str) -> JobRow:
    """The job of that name, as soon as it is there."""
    for _ in range(3000):
        with database.read() as session:
            if items := jobs.page(session, name=name).items:
                return items[0]
        Event().wait(0.01)
    raise AssertionError(f"no job {name} was posted within 30 s")


def test_programs_that_wait_are_told_once(start: Start, database: Database, job_file: Path) -> None:
    process = start("submit", job_file, "--set", "name=silent", "--wait", "--json")
    row = taken(database, once_posted(database, "silent").id)
    with database.write() as session:
        jobs.fail(session, row.id, row.token, Reason.BAD_DATA, "line 7")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, "")
    assert json.loads(out)["state"] == "failed"


def test_programs_see_from_the_exit_code_how_it_ended(
    here: Here, database: Database, job_file: Path
) -> None:
    row = posted(database, job_file, "ended")
    with database.write() as session:
        jobs.cancel(session, row.id)
        jobs.release(session, row.id, row.token)
    told = here("jobs", "watch", row.id, "--json", code=1).splitlines()
    assert json.loads(told[-1])["content"]["state"] == "cancelled"


def test_jobs_are_listed_shown_logged_and_cancelled(
    here: Here, database: Database, job_file: Path
) -> None:
    row = posted(database, job_file, "listed")
    with database.write() as session:
        jobs.note(session, row.id, row.token, "log", {"lines": ["hola", "adiós\x1b]0;x\x07"]})
    assert str(row.id) in here("jobs", "list", "--name", "listed")
    listed = json.loads(here("jobs", "list", "--name", "listed", "--json"))
    assert [job["id"] for job in listed["items"]] == [str(row.id)]
    assert "running" in here("jobs", "show", row.id)
    assert json.loads(here("jobs", "show", row.id, "--json"))["state"] == "running"
    assert here("jobs", "logs", row.id) == "hola\nadiós\\x1b]0;x\\x07\n"
    logged = json.loads(here("jobs", "logs", row.id, "--json"))
    assert logged["lines"] == ["hola", "adiós\x1b]0;x\x07"]
    assert here("jobs", "cancel", row.id).startswith("cancelling: ")


def test_a_cancel_that_came_too_late_says_so(
    here: Here, alambique: Alambique, database: Database, job_file: Path
) -> None:
    row = posted(database, job_file, "late")
    with database.write() as session:
        jobs.cancel(session, row.id)
        jobs.finish(session, row.id, row.token, RESULT)
    assert "came too late" in here("jobs", "show", row.id)
    again = alambique("jobs", "cancel", row.id)
    assert (again.returncode, again.stdout) == (1, "")
    assert "it is over already, succeeded" in again.stderr


def test_a_job_goes_by_its_name_or_by_how_its_id_begins(
    here: Here, database: Database, job_file: Path
) -> None:
    old, new = (posted(database, job_file, "namesake") for _ in range(2))
    with database.write() as session:
        jobs.note(session, new.id, new.token, "log", {"lines": ["hola"]})
        jobs.finish(session, new.id, new.token, RESULT)
    for said in ("namesake", new.id, new.id.hex, str(new.id)[:35]):
        assert json.loads(here("jobs", "show", said, "--json"))["name"] == "namesake"
    assert json.loads(here("jobs", "show", "namesake", "--json"))["id"] == str(new.id)
    assert here("jobs", "logs", "namesake") == "hola\n"
    assert "succeeded" in here("jobs", "watch", "namesake", "--json")
    assert here("jobs", "cancel", "namesake", "--project", "default").startswith("cancelling")
    with database.read() as session:
        assert jobs.find(session, old.id).state == "cancelling"
    here("jobs", "show", "namesake", "--project", "another", code=1)
    several = here("jobs", "cancel", new.id.hex[:6], code=1)
    assert several == ""  # the candidates are told on stderr


def test_a_watched_job_is_told_to_programs(here: Here, database: Database, job_file: Path) -> None:
    row = posted(database, job_file, "told")
    with database.write() as session:
        jobs.finish(session, row.id, row.token, RESULT)
    events = [json.loads(line) for line in here("jobs", "watch", row.id, "--json").splitlines()]
    assert [event["content"]["state"] for event in events] == ["queued", "running", "succeeded"]
    assert "student, gold-only" in here("jobs", "show", row.id)


def test_a_job_that_is_not_there(alambique: Alambique) -> None:
    unknown = alambique("jobs", "cancel", uuid4())
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("error: ")


def test_watching_ends_at_an_interrupt(start: Start, database: Database, job_file: Path) -> None:
    row = posted(database, job_file, "goes-on")
    process = start("jobs", "watch", row.id)
    assert process.stdout is not None
    assert "queued" in process.stdout.readline()  # as it was first
    assert "running" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in err
    with database.read() as session:
        assert jobs.find(session, row.id).state == "running"


def test_a_plan_needs_no_server(here: Here, job_file: Path) -> None:
    found = json.loads(here("plan", job_file, "--json"))
    for one in ("teacher", "student"):
        assert found[one]["parameters"] > 0
        assert found[one]["macs"]["full"] > found[one]["macs"]["linear"] > 0
    assert found["cache"]["bytes"] is None
    assert "ALAMBIQUE_DATA" in found["cache"]["why"]
    drawn = here("plan", job_file)
    assert "teacher" in drawn
    assert "ALAMBIQUE_DATA" in drawn


def test_a_model_is_listed_and_shown(here: Here, version: str) -> None:
    assert version in here("models", "list")
    assert json.loads(here("models", "list", "--json"))["items"]
    drawn = here("models", "show", f"{version}@latest")
    assert "1.5 M" in drawn
    assert "0.875" in drawn
    assert "87.50" in here("models", "show", version)
    assert json.loads(here("models", "show", f"{version}@1", "--json"))["number"] == 1


def test_the_versions_of_a_model(here: Here, version: str) -> None:
    (one,) = json.loads(here("models", "versions", version, "--json"))["items"]
    assert (one["number"], one["parameters"], one["metrics"][0]["value"]) == (1, 1_500_000, 0.875)
    drawn = here("models", "versions", version)
    head, _, row = drawn.strip().splitlines()
    assert head.split()[:3] == ["version", "role", "F1"]
    assert row.split()[:5] == [f"{version}@1", "student", "87.50", "1.5", "M"]
    assert f"{datetime.now(UTC):%Y-}" in row
    assert f"{version}@1" not in here("models", "versions", version, "--project", "none", code=1)


def test_what_needs_no_server_is_told_without_one(
    serverless: Here, version: str, job_file: Path, tmp_path: Path
) -> None:
    for command, word in (
        (("tasks",), "named-entities"),
        (("data", "list"), "conll2002"),
        (("models", "list"), version),
        (("models", "show", f"{version}@1"), "0.875"),
        (("models", "show", version), "87.50"),
        (("models", "versions", version), "87.50"),
        (("models", "download", version, "--to", tmp_path / "got"), "got"),
        (("jobs", "list"), "made"),
        (("jobs", "show", "made"), "named-entities"),
        (("jobs", "logs", "made"), ""),
    ):
        assert word in serverless(*command)
    assert (tmp_path / "got" / "config.json").read_bytes() == b"{}"
    tasks = json.loads(serverless("tasks", "--json"))
    assert tasks["items"][0]["name"] == "question-answering"
    serverless("submit", job_file, code=1)


def test_where_there_is_no_registry_either(
    serverless: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALAMBIQUE_HOME", str(tmp_path / "empty"))
    assert "conll2002" in serverless("data", "list")
    assert serverless("models", "list", code=1) == ""
    assert not (tmp_path / "empty").exists()


def test_that_no_server_answered_is_said(serverless: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    told = StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    assert "named-entities" in serverless("tasks")
    assert told.getvalue().count("no server at") == 1


def test_a_model_is_downloaded_once(alambique: Alambique, version: str, tmp_path: Path) -> None:
    command = ("models", "download", version, "--to", tmp_path / "model")
    assert alambique(*command).stdout.strip() == str(tmp_path / "model")
    assert (tmp_path / "model" / "config.json").read_bytes() == b"{}"
    again = alambique(*command)
    assert again.returncode == 1
    assert "not empty" in again.stderr


def test_tasks_and_data_are_listed(here: Here) -> None:
    assert "named-entities" in here("tasks")
    assert json.loads(here("tasks", "--json"))["items"]
    assert "conll2002" in here("data", "list")
    assert json.loads(here("data", "list", "--json"))["items"]
