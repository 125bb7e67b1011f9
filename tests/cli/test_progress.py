"""A watched job, folded from its events and drawn."""

import io
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from tests.job_results import job_result, result_row

from alambique.api.views import EventView
from alambique.cli.job_reports import cost_table, engine_table, score_table
from alambique.cli.progress import Progress, follow, lines
from alambique.cli.tables import table
from alambique.registry.job_result import JobResult
from alambique.spec.states import StageName, State

NOW = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


def event(kind: str, **content: Any) -> EventView:
    return EventView(id=1, at=NOW, kind=kind, content=content)


def state(name: str, **more: Any) -> EventView:
    return event("state", state=name, **more)


def progress(stage: str, fraction: float, **more: Any) -> EventView:
    return event("progress", stage=stage, fraction=fraction, **more)


def test_stages_behind_the_job_are_done() -> None:
    now = Progress().after(state("running")).after(progress("cache", 0.5))
    done = [stage for stage in StageName if now.is_done(stage)]
    assert done == [StageName.CHECK, StageName.TEACH]
    over = now.after(state("succeeded"))
    assert all(over.is_done(stage) for stage in StageName)


def test_a_line_for_each_state_stage_and_tenth() -> None:
    small_steps = [progress("teach", number / 100) for number in range(100)]
    told = list(lines([state("queued"), state("running"), *small_steps, state("succeeded")]))
    assert told[:2] == ["12:30:00  queued", "12:30:00  running"]
    assert told[-1] == "12:30:00  succeeded"
    assert 11 <= len(told) <= 14


def test_why_it_waits_is_told_whenever_that_changes() -> None:
    one = event("waiting", ahead=1, why="1 job is ahead of it")
    later = event("waiting", ahead=1, why="no_disk: it is tried again at 12:31:00 UTC")
    again = state("retrying", reason="no_disk", message="the disk is full")
    told = list(lines([state("queued"), one, one, state("running"), again, later]))
    assert told == [
        "12:30:00  queued",
        "12:30:00  queued: 1 job is ahead of it",
        "12:30:00  running",
        "12:30:00  retrying: no_disk: the disk is full",
        "12:30:00  retrying: no_disk: it is tried again at 12:31:00 UTC; 1 ahead of it",
    ]


def test_why_it_ended_is_left_to_the_report() -> None:
    events = [state("running"), state("failed", reason="bad_data", message="line 7")]
    assert list(lines(events))[-1] == "12:30:00  failed"
    written = io.StringIO()
    follow("tiny", events, Console(file=written, force_terminal=True, width=100))
    assert "line 7" not in written.getvalue()


TITLE = "\x1b]0;x\x07"
"""Sets a terminal's title."""


def test_what_others_wrote_does_not_steer_the_terminal_of_a_live_view() -> None:
    said = [
        state("queued", reason="no_disk", message=f"why{TITLE}"),
        event("waiting", ahead=1, why=f"waits{TITLE}"),
        state("running"),
        progress("teach", 0.5, message=f"message{TITLE}"),
    ]
    for last in range(1, len(said) + 1):
        written = io.StringIO()
        follow(f"name{TITLE}", said[:last], Console(file=written, force_terminal=True, width=100))
        assert "\x1b]" not in written.getvalue()
        assert "name\\x1b]0;x" in written.getvalue()
    assert "message\\x1b]0;x" in written.getvalue()


def drawn(of: Table, width: int) -> str:
    written = io.StringIO()
    Console(file=written, width=width).print(of)
    return written.getvalue()


def test_what_other_commands_are_given_is_not_folded() -> None:
    ids = [str(uuid4()) for _ in range(2)]
    rows = [(one, "p", "a-name-of-some-length", "question-answering", "queued") for one in ids]
    text = drawn(table(("id", "project", "name", "task", "state"), rows), 80)
    assert all(one in text for one in ids)


def test_a_column_that_says_one_thing_is_left_out() -> None:
    columns = ("id", "project")
    assert "project" not in drawn(
        table(columns, [(1, "p"), (2, "p")], only_if_several="project"), 80
    )
    several = drawn(table(columns, [(1, "p"), (2, "q")], only_if_several="project"), 80)
    assert "project" in several
    assert "q" in several
    assert "id" in drawn(table(columns, [], only_if_several="project"), 80)


def test_a_stage_that_begins_again_is_told() -> None:
    events = [state("running"), progress("teach", 0.9), state("retrying", reason="lost_worker")]
    again = [state("running"), progress("teach", 0.0, message="from a checkpoint")]
    told = list(lines([*events, *again]))
    assert any("retrying: lost_worker" in line for line in told)
    assert "from a checkpoint" in told[-1]


@given(
    st.lists(
        st.one_of(
            st.sampled_from(State).map(lambda name: state(name, message=None)),
            st.builds(
                progress,
                st.sampled_from(StageName),
                st.one_of(st.none(), st.floats(0, 1)),
                loss=st.one_of(st.none(), st.floats(0, 10)),
                metric=st.one_of(st.none(), st.floats(0, 1)),
                eta_seconds=st.one_of(st.none(), st.floats(0, 1e6)),
                message=st.one_of(st.none(), st.just("[bold]step 1[/nothing]")),
            ),
            st.just(event("log", lines=["one"])),
            st.just(event("waiting", ahead=2, why="2 [jobs] are ahead of it")),
        ),
        max_size=8,
    )
)
def test_whatever_happens_can_be_drawn(events: list[EventView]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    follow("tiny", events, console)
    assert len(list(lines(events))) <= len(events)


MACS = {"linear": 1, "full": 2_000_000_000}
ROW = result_row(
    "teacher",
    layers=4,
    parameters=4_000_000,
    macs=MACS,
    metrics={"f1": 0.5, "em": 0.25},
    latency_ms=12.345,
    inferences_per_second=812.3,
)


def result_of(row: dict[str, Any]) -> JobResult:
    return JobResult.model_validate(job_result(row))


def test_the_scores_have_exact_match_where_the_task_has_it() -> None:
    told = drawn(score_table(result_of(ROW)), 120)
    for word in ("F1 %", "EM %", "50.00", "25.00"):
        assert word in told
    assert "±" not in told


def test_of_several_seeds_the_scores_have_the_deviation_and_a_gain_its_interval() -> None:
    gain = {"over": "same-start", "value": 0.021, "low": -0.004, "high": 0.04, "seeds": 2}
    row = ROW | {"name": "distilled", "deviations": {"f1": 0.012}, "gains": [gain], "steps": 45}
    told = drawn(score_table(result_of(row)), 120)
    for word in ("50.00 ± 1.20", "+2.10 [-0.40, +4.00] holds 0", " 45 "):
        assert word in told


def test_the_costs_have_the_spread_of_a_latency() -> None:
    row = ROW | {"latency_low_ms": 12.0, "latency_high_ms": 14.0, "throughput": 90.0}
    told = drawn(cost_table(result_of(row)), 120)
    for word in ("4 M", "2 G", "12.35 (12.00 to 14.00)", "812", "90.00"):
        assert word in told
    assert "CPU" not in told


def test_the_engines_have_their_memory_and_the_metric_that_they_are_judged_by() -> None:
    raced = {"engine": "onnxruntime", "bytes": 23_600_000, "memory": 41_000_000, "metric": 0.995}
    speed = {"p50_ms": 2.5, "p95_ms": 3.0, "p99_ms": 4.0, "one_thread_ms": 5.0, "ratio": 18.25}
    row = {"model": "student", "format": "onnx-int8", "per_second": {8: 640.0}, "is_winner": True}
    torch = {"model": "teacher", "engine": "torch", "format": "fp32", "p50_ms": 45.0}
    content = job_result(ROW) | {"engines": [torch, row | raced | speed]}
    title, _, first, second = filter(
        str.strip, drawn(engine_table(JobResult.model_validate(content)), 120).splitlines()
    )
    assert "F1 %" in title
    assert [word for word in first.split() if word[0].isalnum()] == ["teacher", "torch", "45.00"]
    found = second.split()
    assert found[:6] == ["student", "*", "onnx-int8", "23.60", "41.00", "99.50"]
    assert found[-1] == "640"
    content["engines"][1]["metric_name"] = "cosine"
    assert "COSINE %" in drawn(engine_table(JobResult.model_validate(content)), 120)


def test_the_costs_have_the_cpu_beside_a_gpu() -> None:
    also = {"device": "cpu", "latency_ms": 123.0, "inferences_per_second": 7.5}
    told = drawn(cost_table(result_of(ROW | {"also": [also]})), 120)
    title, _, line = filter(str.strip, told.splitlines())
    assert [word for word in title.split() if word == "CPU"] == ["CPU"] * 3
    assert line.split()[-4:] == ["12.35", "812", "123", "7.50"]
