"""No text of others makes a large row: what is cut says how much is left out."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alambique.registry import jobs, trials
from alambique.registry.bounds import (
    CONTENT,
    LINE,
    LINES,
    MESSAGE,
    bounded_content,
    bounded_lines,
    bounded_message,
    slices_of,
)
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.spec.states import Reason, StageName, TrialState

Made = Callable[..., JobRow]
TEXTS = st.text(st.characters(codec=None), max_size=50) | st.builds(
    lambda text, times: text * times, st.text(min_size=1, max_size=5), st.integers(1, 30_000)
)


@given(TEXTS)
def test_a_message_is_a_beginning_of_what_was_told(text: str) -> None:
    found = bounded_message(text)
    assert found is not None
    assert len(found) <= MESSAGE
    assert bounded_message(found) == found
    assert "\0" not in found
    found.encode()
    assert len(text) > MESSAGE or len(found) == len(text)


@given(st.lists(TEXTS, max_size=15))
def test_lines_are_the_first_ones_that_there_is_room_for(lines: list[str]) -> None:
    found = bounded_lines(lines)
    assert all(len(line) <= LINE for line in found)
    assert sum(map(len, found)) <= LINES + 40
    assert bounded_lines(found[:-1]) == found[:-1]
    if found and found[-1].endswith(" more lines]"):
        assert len(found) - 1 + int(found[-1].split("[")[1].split()[0].replace(",", "")) == len(
            lines
        )
    else:
        assert len(found) == len(lines)


@given(st.integers(0, 100_000), st.integers(0, 50), st.characters(codec="utf-8"))
def test_an_event_is_of_bounded_size(length: int, items: int, letter: str) -> None:
    text = letter * length
    content: dict[str, Any] = {"a": text, "b": [text] * items, "c": {"d": [text]}, "e": items}
    found = bounded_content(content)
    assert len(json.dumps(found, ensure_ascii=False)) <= CONTENT
    assert bounded_content({"e": items}) == {"e": items}


HUGE = "LABEL, " * 1_000_000


def test_nothing_that_is_told_of_a_job_becomes_a_large_row(
    database: Database, posted: Made, taken: Made
) -> None:
    posted()
    held = taken()
    with database.write() as session:
        jobs.record_progress(session, held.id, held.token, stage=StageName.CHECK, message=HUGE)
        jobs.note(session, held.id, held.token, "log", {"lines": [HUGE, *("x" * 500,) * 500]})
        jobs.note(session, held.id, held.token, "other", {"a": {"b": [[HUGE]]}})
        trials.begin(session, held.id, held.token, 1, {})
        state = TrialState.FAILED
        trial = trials.end(
            session,
            held.id,
            held.token,
            1,
            state,
            epochs=0,
            metrics={},
            reason=Reason.BAD_MODEL,
            error=HUGE,
        )
        row = jobs.fail(session, held.id, held.token, Reason.BAD_MODEL, HUGE)
    assert len(row.message or "") == len(trial.error or "") == MESSAGE
    assert (row.message or "").startswith("LABEL, LABEL, ")
    with database.read() as session:
        events = jobs.events(session, held.id)
    assert [one.kind for one in events][2:] == ["progress", "log", "other", "state"]
    assert all(len(json.dumps(one.content)) <= CONTENT + 100 for one in events)
    lines = next(one.content["lines"] for one in events if one.kind == "log")
    assert (len(lines[0]), lines[1]) == (LINE, "x" * 500)


def test_the_notes_of_a_result_are_cut(database: Database, posted: Made, taken: Made) -> None:
    posted()
    held = taken()
    with database.write() as session:
        row = jobs.finish(session, held.id, held.token, {"notes": [HUGE], "rows": [{"a": 1}]})
    assert row.result is not None
    assert len(row.result["notes"][0]) == LINE
    assert row.result["rows"] == [{"a": 1}]


@given(st.lists(st.text(max_size=3000), max_size=60))
def test_a_log_is_written_whole_in_as_many_events_as_it_fills(lines: list[str]) -> None:
    parts = slices_of(lines)
    assert [line for part in parts for line in part] == lines
    assert [bounded_lines(part) for part in parts] == [
        [line for one in part for line in bounded_lines([one])] for part in parts
    ]
