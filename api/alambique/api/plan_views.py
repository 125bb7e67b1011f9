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


class CacheCostView(View):
    """Of the teacher's outputs."""

    bytes: int | None
    """null where the data is not at hand."""
    why: str | None
    """Why it is null."""


class SearchCostView(View):
    """Of a search, if no trial were stopped early."""

    trials: int
    """At most."""
    epochs: int
    """Of all trials together, at most."""
    student: CostView
    """Of the student that computes most."""
    macs: int | None
    """Of training, about; null where the data is not at hand."""


class PlanView(View):
    """What a job would make and take, before anything is spent."""

    teacher: CostView
    """Of candidates, the one that computes most."""
    student: CostView
    cache: CacheCostView
    candidates: list[CandidateCostView] = []  # noqa: RUF012  (pydantic copies it)
    """Empty where the teacher is one model that is trained once, or not at all."""
    search: SearchCostView | None = None
