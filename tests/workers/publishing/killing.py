"""A publishing process, and its end at a step."""

import os
import subprocess
import sys
from pathlib import Path

from tests.releases import Registered
from tests.team_hub import WRITER, TeamHub

from alambique.registry import tables
from alambique.registry.records import Publication
from alambique.spec.states import PublicationState

PROGRAM = Path(__file__).with_name("publish_once.py")


def lost_its_holder(registered: Registered, row: Publication) -> None:
    """The lease of a process that was killed runs out."""
    with registered.database.write() as session:
        held = session.get_one(tables.Publication, row.id)
        assert held.state is PublicationState.PUBLISHING
        held.lease_until = held.created_at


def start(team: TeamHub, registered: Registered, point: str = "") -> "subprocess.Popen[str]":
    variables = os.environ | {
        "ALAMBIQUE_HOME": str(registered.settings.home),
        "ALAMBIQUE_HUB_TOKEN": WRITER,
    }
    command = [sys.executable, str(PROGRAM), team.endpoint, point]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)


def killed_at_the_hub(
    step: str, when: str, row: Publication, registered: Registered, team: TeamHub
) -> None:
    started: list[subprocess.Popen[str]] = []
    team.kill_at(step, when, lambda: started[0].pid)
    with start(team, registered) as process:
        started.append(process)
        assert process.wait(60) == -9
    team.before = team.after = lambda step: None
    lost_its_holder(registered, row)
