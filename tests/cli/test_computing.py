"""What a command finds in its environment before it loads what computes."""

import os
import sys

import pytest

from alambique.cli import main
from alambique.workers.environment import COMPUTING


def test_every_command_waits_passively_unless_it_is_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in COMPUTING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "9")
    monkeypatch.setattr(sys, "argv", ["alambique", "--version"])
    with pytest.raises(SystemExit):
        main()
    found = {name: os.environ.get(name) for name in COMPUTING}
    assert found == COMPUTING | {"GOMP_SPINCOUNT": "9"}
