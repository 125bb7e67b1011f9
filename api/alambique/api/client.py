"""The Python client: what the API can do, as methods that return its answers."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

from httpx2 import EventSource
from pydantic import ValidationError

from alambique.api.client_models import ModelCalls
from alambique.api.client_publications import PublicationCalls
from alambique.api.plan_views import PlanView
from alambique.api.transport import NoAnswer, NoServer, Outage, Transport
from alambique.api.views import (
    DatasetView,
    EventView,
    Health,
    JobView,
    LogPage,
    PageView,
    SuiteLine,
    SuiteView,
    TaskView,
    TrialView,
)
from alambique.api.zoo_views import Collection
from alambique.spec.errors import BadSpec
from alambique.spec.fields import Spec
from alambique.spec.job import Job
from alambique.spec.states import State, TrialState
from alambique.spec.suite import Suite

T = TypeVar("T")


class Client(ModelCalls, PublicationCalls):
    """A server of alambique.

    Every method raises `NoServer` where nobody answers, and where the server refuses, the
    `AlambiqueError` that its problem names, with its message.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        pause: float = 1.0,
        patience: float = math.inf,
    ) -> None:
        """Make a client, which sends no request yet.

        Args:
            url: of the server.
            token: sent with each request.
            pause: seconds before a broken stream is taken up again; doubled with each try.
            patience: seconds that `watch` and `outlast` wait for a server that has answered before.
        """
        super().__init__(Transport(url, token))
        self._pause = pause
        self._patience = patience

    def __enter__(self) -> Self:
        """Return the client, whose connections are closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._transport.close()

    def submit(self, job: Job | Mapping[str, Any] | str, *, key: str | None = None) -> JobView:
        """Queue a job and return it; a `key` that was sent before has the job that was made then.

        Args:
            job: a job, a mapping with its fields, or the text of a job file.
            key: names this submission, so that it can be sent again safely.

        Raises:
            BadSpec: a field is wrong, each bad one on a line and in its `fields`.
        """
        answer = self._transport.answer("POST", "/v1/jobs", **_body(job, _key_header(key)))
        return JobView.model_validate_json(answer.content)

    def plan(self, job: Job | Mapping[str, Any] | str) -> PlanView:
        """Return what a job would make and take, and queue nothing; raises as `submit` does."""
        sent = _body(job, {})
        answer = self._transport.answer("POST", "/v1/jobs", params={"dry_run": "true"}, **sent)
        return PlanView.model_validate_json(answer.content)

    def job(self, job_id: UUID) -> JobView:
        """Return a job as it stands."""
        return self._transport.get(JobView, f"/v1/jobs/{job_id}")

    def jobs(
        self,
        *,
        project: str | None = None,
        state: State | None = None,
        task: str | None = None,
        name: str | None = None,
        id_prefix: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> PageView[JobView]:
        """Return jobs, newest first; with `id_prefix` those whose id begins with these digits."""
        return self._transport.get(
            PageView[JobView],
            "/v1/jobs",
            project=project,
            state=state,
            task=task,
            name=name,
            id=id_prefix,
            limit=limit,
            cursor=cursor,
        )

    def trials(
        self,
        job_id: UUID,
        *,
        state: TrialState | None = None,
        limit: int = 200,
        cursor: str | None = None,
    ) -> PageView[TrialView]:
        """Return the trials of a job's search, in the order in which they were begun."""
        path = f"/v1/jobs/{job_id}/trials"
        return self._transport.get(
            PageView[TrialView], path, state=state, limit=limit, cursor=cursor
        )

    def cancel(self, job_id: UUID, *, kill: bool = False) -> JobView:
        """Ask a job to end at its next heartbeat, or kill it; return the job."""
        answer = self._transport.answer("POST", f"/v1/jobs/{job_id}/{'kill' if kill else 'cancel'}")
        return JobView.model_validate_json(answer.content)

    def logs(self, job_id: UUID, *, after: int = 0) -> LogPage:
        """Return what the job wrote after that place."""
        return self._transport.get(LogPage, f"/v1/jobs/{job_id}/logs", after=after)

    def watch(self, job_id: UUID, *, after: int = 0) -> Iterator[EventView]:
        """Yield what happens to the job, live, until it is over.

        A stream that breaks is taken up again after the last event that came, however long the
        server is away; one that has never answered is not waited for.
        """
        outage, over = self._outage(), False
        while True:
            try:
                for event in self._stream(job_id, after):
                    outage.end()
                    yield event
                    after = event.id
                if over:
                    return
                over = self.job(job_id).state.over  # then once more, for what came meanwhile
            except NoServer as error:
                outage.wait(error)
                continue
            outage.end()
            if not over:
                time.sleep(self._pause)

    def outlast(self, ask: Callable[[], T]) -> T:
        """Return what `ask`, which only reads, gets from this server, however long that is away."""
        outage = self._outage()
        while True:
            try:
                answer = ask()
            except NoServer as error:
                outage.wait(error)
                continue
            outage.end()
            return answer

    def _outage(self) -> Outage:
        return Outage(self._transport, pause=self._pause, patience=self._patience)

    def _stream(self, job_id: UUID, after: int) -> Iterator[EventView]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        with self._transport.stream(f"/v1/jobs/{job_id}/events", headers) as response:
            for sent in EventSource(response):
                yield EventView.model_validate_json(sent.data)

    def submit_suite(
        self, suite: Suite | Mapping[str, Any] | str, *, key: str | None = None
    ) -> SuiteView:
        """Queue the jobs of a suite and return it; a `key` sent before has the suite of then.

        Args:
            suite: a suite, a mapping with its fields, or the text of a suite file.
            key: names this submission, so that it can be sent again safely.

        Raises:
            BadSpec: a field is wrong, each bad one on a line and in its `fields`.
        """
        answer = self._transport.answer("POST", "/v1/suites", **_body(suite, _key_header(key)))
        return SuiteView.model_validate_json(answer.content)

    def suite(self, suite_id: UUID, *, table: bool = True) -> SuiteView:
        """Return a suite as it stands; without its table the answer is quicker."""
        return self._transport.get(SuiteView, f"/v1/suites/{suite_id}", table=table)

    def suites(
        self,
        *,
        project: str | None = None,
        name: str | None = None,
        id_prefix: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> PageView[SuiteLine]:
        """Return suites, newest first; with `id_prefix` those whose id begins with these digits."""
        return self._transport.get(
            PageView[SuiteLine],
            "/v1/suites",
            project=project,
            name=name,
            id=id_prefix,
            limit=limit,
            cursor=cursor,
        )

    def cancel_suite(self, suite_id: UUID) -> SuiteView:
        """Ask each job of a suite to end that is not over; return the suite."""
        answer = self._transport.answer("POST", f"/v1/suites/{suite_id}/cancel")
        return SuiteView.model_validate_json(answer.content)

    def collection(self, suite_id: UUID) -> Collection:
        """Return the teachers and students of a suite as one family, with the table."""
        return self._transport.get(Collection, f"/v1/suites/{suite_id}/collection")

    def is_there(self) -> bool:
        """Return whether a server of alambique answers at the URL, healthy or not."""
        try:
            self._transport.get(Health, "/healthz")
        except NoAnswer:
            return True
        except (NoServer, ValidationError):
            return False
        return True

    def tasks(self) -> PageView[TaskView]:
        """Return the tasks that jobs can name."""
        return self._transport.get(PageView[TaskView], "/v1/tasks")

    def data(self) -> PageView[DatasetView]:
        """Return the data sets that jobs can name."""
        return self._transport.get(PageView[DatasetView], "/v1/data")


def _key_header(key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    if not (key.isascii() and key.isprintable() and 1 <= len(key) <= 200):
        raise BadSpec(
            f"{key[:40]!r} cannot be sent as a key of a submission: give 1 to 200 printable ASCII "
            "characters, which is all that a header takes"
        )
    return {"Idempotency-Key": key}


def _body(posted: Spec | Mapping[str, Any] | str, headers: dict[str, str]) -> dict[str, Any]:
    """Return the options of a request whose body is the job or the suite."""
    if isinstance(posted, str):
        content, kind = posted, "application/yaml"
    elif isinstance(posted, Spec):
        content, kind = posted.model_dump_json(), "application/json"
    else:
        content, kind = _json_text(posted), "application/json"
    return {"content": content, "headers": headers | {"Content-Type": kind}}


def _json_text(fields: Mapping[str, Any]) -> str:
    """Return the fields as they are sent; the server says what is wrong with them."""
    try:
        return json.dumps(dict(fields), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadSpec(
            f"the mapping cannot be sent as JSON ({error}): give texts, numbers, lists and mappings"
        ) from error
