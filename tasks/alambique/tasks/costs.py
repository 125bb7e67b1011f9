"""What a plan tells: the sizes of networks, and what a job would compute and keep."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FLOAT = 4
"""Bytes of a float32."""


@dataclass(frozen=True, slots=True)
class Macs:
    """Multiply-accumulates for one text of `train.max_length` tokens; see `models.counts`."""

    linear: int
    full: int


@dataclass(frozen=True, slots=True)
class Cost:
    """The size of a network, and what it computes for one text."""

    parameters: int
    macs: Macs


@dataclass(frozen=True, slots=True)
class CandidateCost(Cost):
    """The cost of a model that may become the teacher."""

    model: str
    """In words, as the job names it."""
    runs: int
    """How often it is fine-tuned."""


@dataclass(frozen=True, slots=True)
class TeacherCost(Cost):
    """The cost of one of several teachers."""

    name: str
    """What it is called in the job: teacher, teacher-2, …"""


@dataclass(frozen=True, slots=True)
class CacheCost:
    """The cost of keeping the outputs of all teachers."""

    bytes: int | None
    """None where the data is not at hand."""
    why: str | None
    """Why it is None."""


@dataclass(frozen=True, slots=True)
class LiveTeacherCost:
    """The cost of a live teacher, which answers beside the student at every step."""

    macs: int | None
    """Of all that it answers while one student is trained. None where the data is not at hand."""
    bytes: int | None
    """What the states that are compared would take if they were kept instead, to be read again in
    every epoch. None where the data is not at hand."""


@dataclass(frozen=True, slots=True)
class SearchCost:
    """The cost of a search if no trial is stopped early."""

    trials: int
    """At most."""
    concurrent: int
    """How many run at once."""
    epochs: int
    """The most epochs of all trials together."""
    student: Cost
    """Of the student that computes most, as far as values were combined to find it."""
    macs: int | None
    """Of training, about: three times those of that student, for each example and epoch (once
    there, twice back), and once the teacher's where layers are compared. None where the data is
    not at hand."""


@dataclass(frozen=True, slots=True)
class HubFiles:
    """What is taken of a model of the hub."""

    model: str
    """As the job names it, at its commit."""
    files: tuple[str, ...] = ()
    """Those that are fetched."""
    imported: tuple[str, ...] = ()
    """Those of them that are made into safetensors and tokenizer.json, in a process of its own."""
    refused: str | None = None
    """Why it cannot be used."""


@dataclass(frozen=True, slots=True)
class HubDataFiles:
    """What there is of a data set of the hub, by the list of its files alone."""

    data: str
    """As the job names it, at its commit."""
    files: tuple[str, ...] = ()
    """Those that hold data, the first ones."""
    count: int = 0
    """How many there are in all."""
    bytes: int = 0
    """Of all of them, those of other subsets too."""
    refused: str | None = None
    """Why it cannot be used."""
    why: str | None = None
    """Why its files are not known."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would take."""

    teacher: Cost
    """Of candidates, the one that computes most; of several teachers, the first."""
    student: Cost
    """As it is cut from that one."""
    cache: CacheCost
    candidates: tuple[CandidateCost, ...] = ()
    """Of all teachers; empty where each is one model that is trained once, or not at all."""
    teachers: tuple[TeacherCost, ...] = ()
    """Each of several; empty where there is one."""
    beside: LiveTeacherCost | None = None
    """None where outputs are all that is learnt of the teacher."""
    search: SearchCost | None = None
    hub: tuple[HubFiles, ...] = ()
    """Of each model of the hub."""
    hub_data: tuple[HubDataFiles, ...] = ()
    """Of each data set of the hub that is the user's own."""
    publish: str | None = None
    """Where the student is published, as hub:team/name or folder:NAME. None: nowhere."""

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON has it."""
        return asdict(self)

    def disk_bytes(self, copies: int, *, kept: int, runs: Mapping[int, int]) -> int:
        """Return roughly how many bytes the job writes: its networks and its cache.

        Args:
            copies: how often a network's weights are there while it is trained.
            kept: how often those of a run of fine-tuning are, once it is over.
            runs: by the number of the candidate, how many of its runs are still to be done.
        """
        networks: tuple[Cost, ...] = (*(self.teachers or (self.teacher,)), self.student)
        parameters = copies * sum(one.parameters for one in networks)
        if self.search:
            # all are kept, and those that run are there as often as any network in training
            often = copies * self.search.concurrent + kept * self.search.trials
            parameters += often * self.search.student.parameters
        for number, one in enumerate(self.candidates):
            parameters += kept * runs.get(number, 0) * one.parameters
        return parameters * FLOAT + (self.cache.bytes or 0)
