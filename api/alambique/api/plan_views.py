"""What the API answers about plans, as JSON. Free of HTTP, for clients too."""

from __future__ import annotations

from alambique.api.views import View


class MacsView(View):
    """Multiply-accumulates for one text of `train.max_length` tokens."""

    linear: int
    """Of linear layers and layer norms."""
    full: int
    """And of attention's own products."""


class CostView(View):
    """Of a network."""

    parameters: int
    macs: MacsView


class CandidateCostView(CostView):
    """Of a model that may become the teacher."""

    model: str
    runs: int
    """How often it is fine-tuned."""


class TeacherCostView(CostView):
    """Of one of several teachers."""

    name: str
    """What it is called in the job: teacher, teacher-2, …"""


class CacheCostView(View):
    """Of the outputs of all teachers."""

    bytes: int | None
    """null where the data is not at hand."""
    why: str | None
    """Why it is null."""


class BesideCostView(View):
    """Of a teacher whose layers are compared: it answers beside the student, at every step."""

    macs: int | None
    """Of all that it answers while one student is trained; null where the data is not at hand."""
    bytes: int | None
    """What the states that are compared would take if they were kept instead; null likewise."""


class SearchCostView(View):
    """Of a search, if no trial were stopped early."""

    trials: int
    """At most."""
    concurrent: int
    """How many run at once."""
    epochs: int
    """Of all trials together, at most."""
    student: CostView
    """Of the student that computes most."""
    macs: int | None
    """Of training, about; null where the data is not at hand."""


class HubDataFilesView(View):
    """What there is of a data set of the hub, by the list of its files alone."""

    data: str
    """As the job names it, at its commit."""
    files: list[str]
    """Those that hold data, the first ones."""
    count: int
    """How many there are in all."""
    bytes: int
    """Of all of them, those of other subsets too."""
    refused: str | None
    """Why it cannot be used."""
    why: str | None
    """Why its files are not known."""


class HubFilesView(View):
    """What is taken of a model of the hub."""

    model: str
    """At its commit."""
    files: list[str]
    """Those that are fetched."""
    imported: list[str]
    """Those that are made into safetensors and tokenizer.json, in a process of its own."""
    refused: str | None
    """Why it cannot be used; null where it can."""


class PlanView(View):
    """What a job would make and take, before anything is spent."""

    teacher: CostView
    """Of candidates, the one that computes most; of several teachers, the first."""
    student: CostView
    cache: CacheCostView
    candidates: list[CandidateCostView] = []  # noqa: RUF012  (pydantic copies it)
    """Of all teachers; empty where each is one model that is trained once, or not at all."""
    teachers: list[TeacherCostView] = []  # noqa: RUF012
    """Each of several; empty where there is one."""
    beside: BesideCostView | None = None
    """null where outputs are all that is learnt of the teacher."""
    search: SearchCostView | None = None
    hub_data: list[HubDataFilesView] = []  # noqa: RUF012
    """Of each data set of the hub that is the user's own."""
    hub: list[HubFilesView] = []  # noqa: RUF012
    """Of each model of the hub."""
    publish: str | None = None
    """Where the student is published, as hub:team/name or folder:NAME; null: nowhere."""
