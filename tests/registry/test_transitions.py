"""The states over every pair, and failures over every reason."""

from datetime import UTC, datetime, timedelta

import pytest

from alambique.registry.transitions import (
    HELD,
    WAITING,
    Retries,
    Verdict,
    after_failure,
    next_states,
)
from alambique.spec.states import Reason, State

# rows: from; columns: to, in the order of State (queued running retrying paused cancelling
# succeeded failed cancelled)
TABLE = {
    State.QUEUED: "-R-P---C",
    State.RUNNING: "Q-RPCSFC",
    State.RETRYING: "-R-P---C",
    State.PAUSED: "Q------C",
    State.CANCELLING: "-----S-C",
    State.SUCCEEDED: "--------",
    State.FAILED: "Q-------",
    State.CANCELLED: "Q-------",
}
NOW = datetime(2026, 11, 21, tzinfo=UTC)
RETRIES = Retries(attempts=3, pause=timedelta(seconds=10))
PASSING = {
    Reason.LOST_WORKER,
    Reason.OUT_OF_MEMORY,
    Reason.NO_DISK,
    Reason.SHUTDOWN,
    Reason.INTERNAL,
    Reason.NO_DATABASE,
    Reason.OTHER_CODE,
}


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_a_change_of_state_is_allowed_where_the_table_says(before: State, after: State) -> None:
    assert (after in next_states(before)) == (TABLE[before][list(State).index(after)] != "-")


def test_a_job_that_is_over_goes_nowhere_by_itself() -> None:
    for state in State:
        if state.over:
            assert next_states(state) <= {State.QUEUED}  # only somebody's retry


def test_every_state_that_may_be_taken_may_run() -> None:
    assert {state for state in State if State.RUNNING in next_states(state)} == WAITING


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("attempts", [1, 2, 3, 4])
def test_every_failure_of_a_running_job(reason: Reason, attempts: int) -> None:
    often = RETRIES.outages  # outages of the database count by now
    verdict = after_failure(
        State.RUNNING, reason, attempts=attempts, outages=often, now=NOW, retries=RETRIES
    )
    if reason in (Reason.USER, Reason.DEADLINE):
        assert verdict == Verdict(State.CANCELLED)
    elif reason in PASSING and attempts < 3:
        assert verdict.state is State.RETRYING
        assert verdict.not_before is not None
    else:
        assert verdict == Verdict(State.FAILED)


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("outages", [0, 19, 20])
def test_twenty_outages_of_the_database_are_no_attempts(reason: Reason, outages: int) -> None:
    verdict = after_failure(
        State.RUNNING, reason, attempts=9, outages=outages, now=NOW, retries=RETRIES
    )
    again = Verdict(State.RETRYING, NOW, counted=False)
    assert (verdict == again) is (reason is Reason.NO_DATABASE and outages < 20)


@pytest.mark.parametrize("reason", [Reason.NO_DATA, Reason.UNREACHABLE])
def test_what_is_not_at_hand_is_not_tried_again(reason: Reason) -> None:
    verdict = after_failure(State.RUNNING, reason, attempts=1, now=NOW, retries=RETRIES)
    assert verdict == Verdict(State.FAILED)


@pytest.mark.parametrize("reason", Reason)
def test_a_job_that_was_to_be_cancelled_is_cancelled_by_any_failure(reason: Reason) -> None:
    verdict = after_failure(State.CANCELLING, reason, attempts=1, now=NOW, retries=RETRIES)
    assert verdict == Verdict(State.CANCELLED)


@pytest.mark.parametrize("state", sorted(HELD))
@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("attempts", [1, 9])
def test_a_failure_leads_where_the_table_allows(
    state: State, reason: Reason, attempts: int
) -> None:
    verdict = after_failure(state, reason, attempts=attempts, now=NOW, retries=RETRIES)
    assert verdict.state in next_states(state)


def test_pauses_double_and_a_lost_worker_needs_none() -> None:
    def pause(reason: Reason, attempts: int) -> timedelta:
        patient = Retries(attempts=9, pause=timedelta(seconds=10))
        verdict = after_failure(State.RUNNING, reason, attempts=attempts, now=NOW, retries=patient)
        assert verdict.not_before is not None
        return verdict.not_before - NOW

    seconds = [pause(Reason.OUT_OF_MEMORY, attempts).total_seconds() for attempts in (1, 2, 3, 4)]
    assert seconds == [10, 20, 40, 80]
    assert pause(Reason.OTHER_CODE, 1) == timedelta(seconds=10)
    assert pause(Reason.LOST_WORKER, 4) == timedelta(0)
