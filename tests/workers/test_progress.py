"""A run's reports, from the file that one process writes and another reads."""

from dataclasses import replace
from pathlib import Path

import pytest

from alambique.workers.training.progress import Progress, ProgressFile, ProgressReader

STEP = Progress(epoch=0, done=1, total=8, loss=0.5)
EPOCH = Progress(epoch=0, done=4, total=8, loss=0.25, validation=0.75, metric=0.125)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "progress.jsonl"


def read_new(reader: ProgressReader) -> list[Progress]:
    """What is new, without the time of writing."""
    return [replace(found, at=0.0) for found in reader.read_new()]


def test_a_reader_sees_each_report_once(path: Path) -> None:
    reader, writer = ProgressReader(path), ProgressFile(path, every=0)
    assert read_new(reader) == []
    writer.write(STEP)
    writer.write(EPOCH)
    assert read_new(reader) == [STEP, EPOCH]
    assert read_new(reader) == []
    writer.write(replace(STEP, done=5))
    assert read_new(reader) == [replace(STEP, done=5)]


def test_steps_in_quick_succession_are_left_out_but_no_epoch_is(path: Path) -> None:
    reader, writer = ProgressReader(path), ProgressFile(path, every=3600)
    for done in (1, 2, 3):
        writer.write(replace(STEP, done=done))
    writer.write(EPOCH)
    writer.write(replace(EPOCH, epoch=1, done=8))
    assert [found.done for found in reader.read_new()] == [1, 4, 8]


def test_a_reader_begins_where_the_file_ends(path: Path) -> None:
    ProgressFile(path, every=0).write(STEP)
    reader = ProgressReader(path)
    ProgressFile(path, every=0).write(EPOCH)
    assert read_new(reader) == [EPOCH]


def test_half_a_line_waits_for_its_other_half(path: Path) -> None:
    reader = ProgressReader(path)
    ProgressFile(path, every=0).write(STEP)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert read_new(reader) == [STEP]
    path.write_bytes(whole + whole)
    assert read_new(reader) == [STEP]
    assert read_new(reader) == []


def test_reports_tell_when_they_were_written(path: Path) -> None:
    reader, writer = ProgressReader(path), ProgressFile(path, every=0)
    writer.write(STEP)
    writer.write(EPOCH)
    first, second = reader.read_new()
    assert 0 < first.at <= second.at


def test_the_end_of_an_epoch_in_words() -> None:
    """One that was resumed there took no step, and has no loss."""
    found = replace(EPOCH, epoch=3, terms={"gold": 0.5, "hidden": 0.125})
    said = "epoch 3: {}validation 0.7500, metric 0.1250"
    terms = "loss 0.2500 (gold 0.5000, hidden 0.1250), "
    assert found.epoch_line("distilled") == f"distilled, {said.format(terms)}"
    assert replace(found, loss=None).epoch_line("trial 4") == f"trial 4, {said.format('')}"
