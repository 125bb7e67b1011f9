import logging

import pytest

from alambique.cache.shared import CircuitBreaker


def test_one_line_for_each_change_and_a_pause_that_doubles(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 100.0
    circuit = CircuitBreaker(broken="down", mended="up", pause=1, longest=3, clock=lambda: now)
    pauses = []
    for _ in range(4):
        assert circuit.allows()
        circuit.record_failure(OSError("refused"))
        start = now
        while not circuit.allows():
            now += 0.5
        pauses.append(now - start)
    assert pauses == [1, 2, 3, 3]
    circuit.record_success()
    circuit.record_success()
    assert [record.getMessage() for record in caplog.records] == ["down (OSError: refused)", "up"]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_after_a_success_the_pause_is_short_again() -> None:
    now = 0.0
    circuit = CircuitBreaker(broken="down", mended="up", pause=1, clock=lambda: now)
    for _ in range(5):
        circuit.record_failure(OSError())
    circuit.record_success()
    circuit.record_failure(OSError())
    now = 1.0
    assert circuit.allows()
