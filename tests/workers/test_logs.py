"""What goes into a job's log of an error."""

from alambique.registry.bounds import LINES, bounded_lines
from alambique.workers.pipeline.context import traceback_lines


def test_of_a_trace_with_long_lines_the_last_line_is_there() -> None:
    error = ExceptionGroup("several", [ValueError("x" * 100_000) for _ in range(50)])
    error.add_note("the last line")
    lines = traceback_lines(error)
    assert sum(map(len, lines)) < LINES
    assert bounded_lines(lines) == lines
    assert traceback_lines(ValueError("short"))[-1] == "ValueError: short"
