"""Plain texts: a line each."""

from collections.abc import Callable
from pathlib import Path

import pytest

from alambique.spec.errors import BadData
from alambique.tasks.formats.text import read_texts

Written = Callable[[str, str | bytes], Path]


def test_each_line_is_a_text_and_an_empty_one_is_none(written: Written) -> None:
    path = written("more.txt", "\ufeffUno, dos.\r\n\n   \nCon\u2028separador y\ttabulador \nfin")
    assert read_texts(path) == ["Uno, dos.", "Con\u2028separador y\ttabulador", "fin"]


def test_what_is_not_utf_8_is_told_by_its_line(written: Written) -> None:
    with pytest.raises(BadData, match=r"more\.txt:2: byte 0xf1 is not UTF-8: save the file as"):
        read_texts(written("more.txt", "uno\naño\n".encode("latin-1")))
