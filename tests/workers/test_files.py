"""Files and folders that are there whole or not at all."""

import threading
from pathlib import Path

import pytest

from alambique.workers.files import build_folder, replace_folder, write_text


class Killed(Exception):
    """The process ends here."""


def test_a_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "outcome.json"
    for text in ("one", "two"):
        write_text(path, text)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "outcome.json"
    write_text(path, "one")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half a pair: \ud800")
    assert path.read_text() == "one"


def test_a_folder_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    folder = build_folder(tmp_path / "deep" / "start", lambda into: (into / "one").touch())
    assert build_folder(folder, lambda into: pytest.fail("made again")) == folder
    assert [path.name for path in folder.parent.rglob("*")] == ["start", "one"]


def test_a_folder_whose_making_fails_is_not_there(tmp_path: Path) -> None:
    def torn(into: Path) -> None:
        (into / "half").touch()
        raise Killed

    with pytest.raises(Killed):
        build_folder(tmp_path / "start", torn)
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_make_a_folder_at_once_both_have_it_whole(tmp_path: Path) -> None:
    both_make = threading.Barrier(2)
    found: list[list[str]] = []

    def make(into: Path) -> None:
        (into / "one").touch()
        both_make.wait(30)
        (into / "two").touch()

    def job() -> None:
        folder = build_folder(tmp_path / "data", make)
        found.append(sorted(path.name for path in folder.iterdir()))

    jobs = [threading.Thread(target=job) for _ in range(2)]
    for one in jobs:
        one.start()
    for one in jobs:
        one.join(30)
    assert found == [["one", "two"]] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_replaced_folder_has_the_new_files_alone(tmp_path: Path) -> None:
    folder = tmp_path / "best"
    for name in ("old", "new"):
        replace_folder(folder, lambda into, name=name: _with(into, name))  # type: ignore[misc]
        assert [path.name for path in folder.iterdir()] == [name]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_is_half_replaced_is_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "best"
    replace_folder(folder, lambda into: _with(into, "old"))
    with pytest.raises(Killed):
        replace_folder(folder, lambda into: _with(into, "torn", then=Killed()))
    assert [path.name for path in folder.iterdir()] == ["old"]
    replace_folder(folder, lambda into: _with(into, "new"))
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def _with(into: Path, name: str, *, then: Exception | None = None) -> None:
    into.mkdir()
    (into / name).touch()
    if then:
        raise then
